"""Diagrams of Mermaid as models write them, and what else may stand in one.

`HARMLESS` has one or two of each kind that may be drawn; the words that are directives elsewhere
are words in them. `{host}` in `HOSTILE` stands for the address of a server.
"""

from __future__ import annotations

__all__ = ["HARMLESS", "HOSTILE", "TOO_LARGE", "fence"]

HARMLESS = [
    """graph TD
    A[Start] --> B[Initialize]
    B --> C{Click here?}
    C -->|Yes| D[Import style, script and theme]
    C -->|No| E[URL and href in details]
    D & E --> F[Stop]""",
    """%% How a request goes
flowchart LR
    A["Line 1 <br/>Line 2"] --> B("It's 50% done; continue")
    subgraph one [Click area]
        B --> C[/Read file/]
    end
    C <--> D[(DB)]
    D -.-> E((x)) ==> F{{hexagon}};""",
    """sequenceDiagram
    participant U as User
    U->>App: Click the link
    App-->>U: Details: style & import
    Note over U,App: init done
    loop Every minute
        App->>App: refresh the url
    end
    rect rgb(200, 150, 255)
        U->>App: links
    end""",
    """classDiagram
    Animal <|-- Duck
    Animal : +int age
    Animal : +List~string~ names
    class Shape {
        +draw() void
        +style: Style
    }
    Shape <|.. Circle
    A "1" --> "*" B : links to""",
    """stateDiagram-v2
    [*] --> Idle
    Idle --> Running : click start
    state "Style check" as s
    state Active {
        s --> f : style it
    }
    Running --> [*]""",
    """erDiagram
    CUSTOMER ||--o{ ORDER : places
    ORDER {
        int id PK
        string url
        string style
    }
    ORDER }|..|{ LINE : "has details" """,
    """gantt
    title Launch of the link
    dateFormat YYYY-MM-DD
    excludes weekends
    todayMarker off
    section Design
    Style guide :a1, 2024-01-01, 30d
    Init :after a1, 20d""",
    """pie showData
    title Clicks
    "Style" : 42.5
    "Links" : 10""",
    """mindmap
  root((Init))
    Links
      Click rates
    Style
      ::icon(fa fa-book)
    Import""",
    """timeline
    title History of social media
    2002 : LinkedIn
    2004 : Facebook : Google""",
    """journey
    title My day
    section Go to work
      Click: 5: Me, Cat
      Style: 3: Me""",
    """gitGraph
    commit
    branch develop
    checkout develop
    commit id: "init"
    checkout main
    merge develop""",
    """quadrantChart
    title Reach and style
    x-axis Low --> High
    y-axis Low --> High
    quadrant-1 Expand
    Campaign: [0.3, 0.6]""",
    """xychart-beta
    title "Sales"
    x-axis [jan, feb]
    y-axis "Clicks" 0 --> 10
    bar [5, 6]
    line [5, 6]""",
]

HOSTILE = [
    # Pictures.
    'graph TD\n A@{ img: "{host}/shape", label: "x", w: 60, h: 60 }',
    'graph TD\n A["<img src={host}/label>"]',
    "mindmap\n root((<img src={host}/mindmap>))",
    "stateDiagram-v2\n s : <img src={host}/state>",
    'classDiagram\n class A\n note for A "<img src={host}/note>"',
    "flowchart LR\n A --> |<img src='{host}/edge'>| B",
    'graph TD\n A["#lt;img src={host}/x#gt;"]',
    'graph TD\n A["&lt;img src={host}/x&gt;"]',
    'graph TD\n A["ﬂ°lt¶ßimg src=/x ﬂ°gt¶ß"]',
    'graph TD\n A["`![x]({host}/x)`"]',
    'graph TD\n A["<b>bold</b>"]',
    "classDiagram\n class A {\n <<interface>>\n }",  # a tag in nbconvert's page
    "classDiagram\n A : List~img src=/x~ y",
    'graph TD\n A@{ icon: "{host}/x", form: "square" }',
    'graph TD\n A["$$\\includegraphics{x}$$"]',
    # Configurations and styles.
    '%%{init: {"themeCSS": "* { background: url({host}/init) }"}}%%\ngraph TD\n A',
    '---\nconfig:\n  themeCSS: "* { background: url({host}/head) }"\n---\ngraph TD\n A',
    '%%{init: {"fontFamily": "x; background: url({host}/font)"}}%%\ngraph TD\n A',
    "sequenceDiagram\n rect url({host}/rect)\n A->>B: x\n end",
    "gantt\n dateFormat YYYY-MM-DD\n todayMarker stroke:url({host}/x)\n a :a1, 2020-01-01, 900d",
    "gantt\n dateFormat YYYY-MM-DD\n todayMarker stroke:red\n a :a1, 2020-01-01, 9d",
    "graph TD\n A-->B\n style A fill:red",
    "graph TD\n A-->B; style A fill:red",
    "graph TD\n subgraph S\n A\n end style A fill:red",
    "graph TD\n accDescr { x } style A fill:red",
    "graph TD\n A:::x-->B\n classDef x fill:red",
    "graph TD\n A-->B\n linkStyle 0 stroke:red",
    "graph TD\n A[url(x)]",
    "graph TD\n A[@import x]",
    "stateDiagram-v2\n [*] --> A classDef x fill:red",
    "stateDiagram-v2\n state A { style B fill:red\n }",
    "erDiagram\n A ||--o{ B : has style C fill:red\n",
    "erDiagram\n A\n style \nA fill:red",
    "quadrantChart\n A:::x: [0.3, 0.6]\n classDef x color: #f00",
    "mindmap\n root\n  A\n  ::icon(a' style='color:red)",
    # Links.
    'graph TD\n A\n click A "{host}/x"',
    'graph TD\n A;click A href "{host}/x"',
    "graph TD\n A\n click A call f()",
    'stateDiagram-v2\n A --> B click A href "https:x.test"\n',
    'stateDiagram-v2\n A : text; click A href "https:x.test"\n',
    'classDiagram\n class A\n link A "https:x.test"',
    'classDiagram\n class A\n callback A "f"',
    'sequenceDiagram\n A->>B: x\n links A: {"x": "https:x.test"}',
    'sequenceDiagram\n participant Ä\n linksÄ: {"x": "https:x.test"}\n Ä->>B: x',
    "sequenceDiagram\n A->>B: x; link A: Board @ https:x.test",
    'sequenceDiagram\n loop x\n A->>B: x\n end properties A: {"class": "x"}',
    'gantt\n dateFormat YYYY-MM-DD\n a :a1, 2020-01-01, 3d\n click a1 href "{host}/x"',
    "graph TD\n A[{host}/x]",
    "graph TD\n A[\\\\x.test]",
    # Other kinds, or none.
    "sankey-beta\n a,b,1",
    'C4Context\n Person(a, "x", $sprite="{host}/x")',
    "architecture-beta\n service db(database)[x]",
    "flowchart-elk TD\n A-->B",
    "block-beta\n A",
    "requirementDiagram\n",
    "%% graph TD",
    "",
]

TOO_LARGE = [
    "graph TD\n" + "\n".join(f"A{i} --> A{i + 1}" for i in range(400)),
    "graph TD\n" + "-->".join(f"A{i}" for i in range(400)),
    "graph TD\n" + " & ".join(f"a{i}" for i in range(30)) + " --> " + " & ".join("bcdefghijkl"),
    "mindmap\n root\n" + "  item\n" * 300,
    "gantt\n dateFormat YYYY-MM-DD\n excludes 2020-01-05\n a :a1, 2020-01-01, 200d",
    "gantt\n dateFormat YYYY-MM-DD\n excludes weekends\n a :a1, 2020-01-01, 200000d",
    f"graph TD\n A[{'word ' * 2_000}]",
]


def fence(code: str, host: str = "http://x.test") -> str:
    """The diagram as a model writes it."""
    return f"```mermaid\n{code.replace('{host}', host)}\n```"
