// SPDX-License-Identifier: Apache-2.0

extension ReportDocument {
  /// The report as Markdown; plots are left to the HTML page, their captions stay.
  package func markdown() -> String {
    (["# \(title)"] + blocks.map(Self.markdown)).joined(separator: "\n\n") + "\n"
  }

  private static func markdown(_ block: Block) -> String {
    switch block {
    case .heading(let text): "## \(text)"
    case .paragraph(let text): text
    case .list(let items): items.map { "- \($0)" }.joined(separator: "\n")
    case .table(let columns, let rows): table(columns, rows)
    case .plot(_, let caption): "*\(caption)* (drawn in the HTML report)"
    case .command(let text): "```sh\n\(text)\n```"
    }
  }

  private static func table(_ columns: [Column], _ rows: [[String]]) -> String {
    let head = "| " + columns.map { cell($0.title) }.joined(separator: " | ") + " |"
    let rule = "|" + columns.map { $0.isNumeric ? "---:|" : "---|" }.joined()
    return ([head, rule] + rows.map { "| " + $0.map(cell).joined(separator: " | ") + " |" }).joined(separator: "\n")
  }

  /// A pipe would end the cell, a line break the row.
  private static func cell(_ text: String) -> String {
    text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
      .split(separator: "\n", omittingEmptySubsequences: false).joined(separator: " ")
  }
}
