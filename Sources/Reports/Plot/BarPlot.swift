// SPDX-License-Identifier: Apache-2.0

/// Stacked horizontal bars against a limit: the memory of each model against what may be used.
package struct BarPlot: Sendable {
  package struct Bar: Sendable {
    package var label: String
    /// Amounts from left to right, in the order of the plot's `parts`.
    package var amounts: [Double]
    package init(label: String, amounts: [Double]) {
      self.label = label
      self.amounts = amounts
    }
  }

  private let title: String
  private let unit: String
  private let parts: [String]
  private let bars: [Bar]
  private let limit: (label: String, amount: Double)?
  private let axis: Axis

  package init(title: String, unit: String, parts: [String], bars: [Bar], limit: (label: String, amount: Double)?) {
    self.title = title
    self.unit = unit
    self.parts = parts
    self.bars = bars
    self.limit = limit
    let sums = bars.map { $0.amounts.reduce(0, +) }
    axis = Axis(title: unit, scale: .linear, holding: sums + [limit?.amount ?? 0])
  }

  package func svg() -> String {
    let rowHeight = 22.0
    let frame = (left: 240.0, top: 40.0, width: 530.0)
    let bottom = frame.top + Double(bars.count) * rowHeight
    var drawing = SVG(width: 800, height: bottom + 40)
    drawLegend(&drawing, left: frame.left)
    for tick in axis.ticks {
      let x = frame.left + axis.position(tick) * frame.width
      drawing.line((x, frame.top), (x, bottom), "grid")
      drawing.text("\(Axis.label(tick)) \(unit)", x: x, y: bottom + 18, .middle)
    }
    for (index, bar) in bars.enumerated() {
      let y = frame.top + Double(index) * rowHeight
      drawing.text(bar.label, x: frame.left - 8, y: y + 15, .end)
      draw(bar, y: y + 3, height: rowHeight - 6, left: frame.left, width: frame.width, &drawing)
    }
    if let limit {
      let x = frame.left + axis.position(limit.amount) * frame.width
      drawing.line((x, frame.top - 6), (x, bottom), "limit")
      drawing.text(limit.label, x: x, y: frame.top - 10, x > 600 ? .end : .start, style: "label limit-label")
    }
    return drawing.text(label: title)
  }

  private func draw(_ bar: Bar, y: Double, height: Double, left: Double, width: Double, _ drawing: inout SVG) {
    var start = 0.0
    for (part, amount) in bar.amounts.enumerated() {
      let from = left + axis.position(start) * width
      let to = left + axis.position(start + amount) * width
      let hint = "\(bar.label): \(parts[part]) \(Axis.label(amount)) \(unit)"
      drawing.rectangle(x: from, y: y, width: to - from, height: height, "part\(part % 4)", hint: hint)
      start += amount
    }
  }

  private func drawLegend(_ drawing: inout SVG, left: Double) {
    for (part, name) in parts.enumerated() {
      let x = 8 + Double(part) * 130
      drawing.rectangle(x: x, y: 4, width: 12, height: 12, "part\(part % 4)", hint: name)
      drawing.text(name, x: x + 18, y: 14)
    }
  }
}
