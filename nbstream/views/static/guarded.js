// @ts-check
// Jupyter's own objects are not ours: in some version of it they are made otherwise, or another
// extension has changed them. What fails there is left undone, and Jupyter goes on as it would.

/**
 * @template T
 * @param {() => T} action uses what is Jupyter's
 * @param {T} otherwise what comes of it where it fails
 * @returns {T}
 */
export function guarded(action, otherwise) {
  try {
    return action();
  } catch (error) {
    console.warn("nbstream: Jupyter goes on without this", error);
    return otherwise;
  }
}
