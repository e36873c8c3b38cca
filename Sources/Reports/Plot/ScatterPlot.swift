// SPDX-License-Identifier: Apache-2.0

/// Points on two axes, with an optional line through some of them or along the diagonal.
package struct ScatterPlot: Sendable {
  package struct Point: Sendable {
    package var x: Double
    package var y: Double
    package var label: String
    /// Drawn strongly and named: a point of the front, a measured one.
    package var isHighlighted: Bool

    package init(x: Double, y: Double, label: String, isHighlighted: Bool = false) {
      self.x = x
      self.y = y
      self.label = label
      self.isHighlighted = isHighlighted
    }
  }

  package enum Guide: Sendable {
    case none
    /// Joins the highlighted points in order of x.
    case front
    /// y = x, with a band of the given fraction on both sides.
    case diagonal(band: Double)
  }

  private let title: String
  private let points: [Point]
  private let guide: Guide
  private let namesHighlighted: Bool
  private let x: Axis
  private let y: Axis
  private let frame = (left: 70.0, top: 16.0, width: 690.0, height: 360.0)

  /// A plot of amounts that span decades: both axes are logarithmic unless said otherwise.
  package init(
    title: String, xTitle: String, yTitle: String, points: [Point], guide: Guide = .none, isLinearY: Bool = false,
    namesHighlighted: Bool = false
  ) {
    self.title = title
    self.guide = guide
    self.namesHighlighted = namesHighlighted
    self.points = points.filter { $0.x.isFinite && $0.y.isFinite && $0.x > 0 && (isLinearY || $0.y > 0) }
    if case .diagonal = guide {
      // One scale for both, or the diagonal would lie.
      let both = self.points.flatMap { [$0.x, $0.y] }
      x = Axis(title: xTitle, scale: .logarithmic, holding: both)
      y = Axis(title: yTitle, scale: .logarithmic, holding: both)
    } else {
      x = Axis(title: xTitle, scale: .logarithmic, holding: self.points.map(\.x))
      y = Axis(title: yTitle, scale: isLinearY ? .linear : .logarithmic, holding: self.points.map(\.y))
    }
  }

  package func svg() -> String {
    var drawing = SVG(width: 800, height: 440)
    drawAxes(&drawing)
    drawGuide(&drawing)
    for point in points where !point.isHighlighted { drawPoint(point, &drawing) }
    for point in points where point.isHighlighted { drawPoint(point, &drawing) }
    return drawing.text(label: title)
  }

  private func place(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
    (frame.left + self.x.position(x) * frame.width, frame.top + (1 - self.y.position(y)) * frame.height)
  }

  private func drawPoint(_ point: Point, _ drawing: inout SVG) {
    let spot = place(point.x, point.y)
    let style = point.isHighlighted ? "dot strong" : "dot"
    drawing.dot(x: spot.x, y: spot.y, radius: point.isHighlighted ? 5 : 3.5, style, hint: point.label)
    guard namesHighlighted, point.isHighlighted else { return }
    let isRight = spot.x > frame.left + 0.7 * frame.width
    drawing.text(point.label, x: spot.x + (isRight ? -8 : 8), y: spot.y - 6, isRight ? .end : .start)
  }

  private func drawAxes(_ drawing: inout SVG) {
    let bottom = frame.top + frame.height
    for tick in x.ticks {
      let spot = frame.left + x.position(tick) * frame.width
      drawing.line((spot, frame.top), (spot, bottom), "grid")
      drawing.text(Axis.label(tick), x: spot, y: bottom + 18, .middle)
    }
    for tick in y.ticks {
      let spot = frame.top + (1 - y.position(tick)) * frame.height
      drawing.line((frame.left, spot), (frame.left + frame.width, spot), "grid")
      drawing.text(Axis.label(tick), x: frame.left - 8, y: spot + 4, .end)
    }
    drawing.text(x.title, x: frame.left + frame.width / 2, y: bottom + 42, .middle)
    drawing.verticalText(y.title, x: 16, y: frame.top + frame.height / 2)
  }

  private func drawGuide(_ drawing: inout SVG) {
    switch guide {
    case .none: return
    case .front:
      let front = points.filter(\.isHighlighted).sorted { ($0.x, $0.y) < ($1.x, $1.y) }
      if front.count > 1 { drawing.path(front.map { place($0.x, $0.y) }, "front") }
    case .diagonal(let band):
      for factor in [1, 1 + band, 1 / (1 + band)] {
        let low = max(x.low, x.low / factor)
        let high = min(x.high, x.high / factor)
        drawing.path([place(low, low * factor), place(high, high * factor)], factor == 1 ? "front" : "band")
      }
    }
  }
}
