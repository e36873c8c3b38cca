// SPDX-License-Identifier: Apache-2.0

extension ReportDocument {
  /// One self-contained page: no script, no font, no request to anywhere; light and dark.
  package func html() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(SVG.escaped(title))</title>
    <style>
    \(Self.styleSheet)
    </style>
    </head>
    <body>
    <main>
    <h1>\(SVG.escaped(title))</h1>
    \(blocks.map(Self.html).joined(separator: "\n"))
    </main>
    </body>
    </html>

    """
  }

  private static func html(_ block: Block) -> String {
    switch block {
    case .heading(let text): "<h2>\(SVG.escaped(text))</h2>"
    case .paragraph(let text): "<p>\(SVG.escaped(text))</p>"
    case .list(let items): "<ul>\n" + items.map { "<li>\(SVG.escaped($0))</li>\n" }.joined() + "</ul>"
    case .table(let columns, let rows): table(columns, rows)
    case .plot(let svg, let caption): "<figure>\n\(svg)<figcaption>\(SVG.escaped(caption))</figcaption>\n</figure>"
    case .command(let text): "<pre>\(SVG.escaped(text))</pre>"
    }
  }

  private static func table(_ columns: [Column], _ rows: [[String]]) -> String {
    func cells(_ texts: [String], _ tag: String) -> String {
      zip(columns, texts).map { column, text in
        "<\(tag)\(column.isNumeric ? " class=\"number\"" : "")>\(SVG.escaped(text))</\(tag)>"
      }.joined()
    }
    let head = "<thead><tr>\(cells(columns.map(\.title), "th"))</tr></thead>"
    let body = rows.map { "<tr>\(cells($0, "td"))</tr>" }.joined(separator: "\n")
    return "<div class=\"scroll\"><table>\n\(head)\n<tbody>\n\(body)\n</tbody>\n</table></div>"
  }

  private static let styleSheet = """
    :root { color-scheme: light dark; --ink: #1c2430; --faint: #66707f; --paper: #ffffff; --line: #dde2e9;
      --accent: #1f6feb; --limit: #c62828; --p0: #1f6feb; --p1: #2da44e; --p2: #bf8700; --p3: #8250df; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9aa5b1; --paper: #12171e; --line: #2c3540;
      --accent: #58a6ff; --limit: #ff7b72; --p0: #58a6ff; --p1: #56d364; --p2: #e3b341; --p3: #bc8cff; } }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
    h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
    table { border-collapse: collapse; font-size: .9rem; width: 100%; }
    th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
    th { color: var(--faint); font-weight: 600; }
    .number { text-align: right; font-variant-numeric: tabular-nums; }
    .scroll { overflow-x: auto; }
    figure { margin: 1rem 0; } figcaption { color: var(--faint); font-size: .9rem; }
    pre { padding: .8rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
    svg { width: 100%; height: auto; } svg text.label { font-size: 12px; fill: var(--faint); }
    svg text.limit-label { fill: var(--limit); }
    svg .grid { stroke: var(--line); } svg .limit { stroke: var(--limit); stroke-width: 2; stroke-dasharray: 5 4; }
    svg .front { fill: none; stroke: var(--accent); stroke-width: 1.5; }
    svg .band { fill: none; stroke: var(--faint); stroke-dasharray: 3 4; }
    svg .dot { fill: var(--faint); fill-opacity: .45; } svg .strong { fill: var(--accent); fill-opacity: 1; }
    svg .part0 { fill: var(--p0); } svg .part1 { fill: var(--p1); } svg .part2 { fill: var(--p2); }
    svg .part3 { fill: var(--p3); }
    """
}
