// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// A drawing as SVG text; colours come from the page's style sheet by class, so that dark mode works.
struct SVG {
  let width: Double
  let height: Double
  private var body = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  mutating func line(_ from: (x: Double, y: Double), _ to: (x: Double, y: Double), _ style: String) {
    body += "<line x1=\"\(n(from.x))\" y1=\"\(n(from.y))\" x2=\"\(n(to.x))\" y2=\"\(n(to.y))\" class=\"\(style)\"/>\n"
  }

  mutating func rectangle(x: Double, y: Double, width: Double, height: Double, _ style: String, hint: String) {
    body +=
      "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(max(width, 0)))\" height=\"\(n(height))\" class=\"\(style)\">"
    body += "<title>\(Self.escaped(hint))</title></rect>\n"
  }

  mutating func dot(x: Double, y: Double, radius: Double = 4, _ style: String, hint: String) {
    body += "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"\(n(radius))\" class=\"\(style)\">"
    body += "<title>\(Self.escaped(hint))</title></circle>\n"
  }

  mutating func path(_ points: [(x: Double, y: Double)], _ style: String) {
    let steps = points.enumerated().map { "\($0.offset == 0 ? "M" : "L")\(n($0.element.x)) \(n($0.element.y))" }
    body += "<path d=\"\(steps.joined())\" class=\"\(style)\"/>\n"
  }

  enum Anchor: String { case start, middle, end }

  mutating func text(_ text: String, x: Double, y: Double, _ anchor: Anchor = .start, style: String = "label") {
    body += "<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor.rawValue)\" class=\"\(style)\">"
    body += "\(Self.escaped(text))</text>\n"
  }

  mutating func verticalText(_ text: String, x: Double, y: Double) {
    body += "<text transform=\"translate(\(n(x)) \(n(y))) rotate(-90)\" text-anchor=\"middle\" class=\"label\">"
    body += "\(Self.escaped(text))</text>\n"
  }

  func text(label: String) -> String {
    "<svg viewBox=\"0 0 \(n(width)) \(n(height))\" role=\"img\" aria-label=\"\(Self.escaped(label))\""
      + " xmlns=\"http://www.w3.org/2000/svg\">\n\(body)</svg>\n"
  }

  /// Text safe inside an element or a quoted attribute.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private func n(_ value: Double) -> String { QuantityFormat.fixed(value, decimals: 1) }
}
