// @ts-check

/**
 * @param {DataView<ArrayBuffer>} packed zlib data
 * @returns {Promise<string>} the text in it
 */
export function inflate(packed) {
  const stream = new Blob([packed]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream("deflate"))).text();
}
