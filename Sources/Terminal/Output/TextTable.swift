// SPDX-License-Identifier: Apache-2.0

/// Aligned columns for people; the same text without styles when it is piped.
struct TextTable {
  enum Alignment { case left, right }

  private let columns: [(title: String, alignment: Alignment)]
  private var rows: [[StyledText]] = []

  init(_ columns: [(title: String, alignment: Alignment)]) { self.columns = columns }

  mutating func append(_ cells: [StyledText]) { rows.append(cells) }

  /// The lines of the table, each ending without trailing blanks.
  func lines(isStyled: Bool) -> [String] {
    let header = columns.map { StyledText($0.title, .faint) }
    let all = [header] + rows
    let widths = columns.indices.map { column in all.map { $0[column].width }.max() ?? 0 }
    return all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.width)
        let isLast = column == row.count - 1
        switch columns[column].alignment {
        case .left: line += cell.rendered(isStyled: isStyled) + (isLast ? "" : padding)
        case .right: line += padding + cell.rendered(isStyled: isStyled)
        }
        if !isLast { line += "  " }
      }
      return line
    }
  }
}

/// A piece of text with at most one style; its width ignores the style.
struct StyledText: ExpressibleByStringInterpolation {
  enum Style: String {
    case plain = ""
    case faint = "2"
    case bold = "1"
    case good = "32"
    case caution = "33"
    case bad = "31"
  }

  let text: String
  let style: Style

  init(_ text: String, _ style: Style = .plain) {
    self.text = text
    self.style = style
  }
  init(stringLiteral value: String) { self.init(value) }

  var width: Int { text.unicodeScalars.count }

  func rendered(isStyled: Bool) -> String {
    isStyled && style != .plain ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }
}
