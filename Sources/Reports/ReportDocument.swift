// SPDX-License-Identifier: Apache-2.0

/// A report as a list of blocks, from which every output format writes itself.
package struct ReportDocument: Sendable {
  package enum Block: Sendable {
    case heading(String)
    case paragraph(String)
    case list([String])
    case table(columns: [Column], rows: [[String]])
    /// A drawing and the sentence that says what to see in it.
    case plot(svg: String, caption: String)
    case command(String)
  }

  package struct Column: Sendable {
    package var title: String
    package var isNumeric: Bool
    package init(_ title: String, isNumeric: Bool = false) {
      self.title = title
      self.isNumeric = isNumeric
    }
  }

  package var title: String
  package var blocks: [Block]

  package init(title: String, blocks: [Block]) {
    self.title = title
    self.blocks = blocks
  }
}
