// SPDX-License-Identifier: Apache-2.0
internal import Evidence
internal import Quantities

extension StudyReport {
  /// Loss against size and against time; strong dots are the front: no other variant is better in both.
  var plots: [ReportDocument.Block] {
    let (perplexity, divergence) = ("perplexity", "KL divergence, nats per token")
    let size = (title: "size, MB", value: { (entry: Study.Entry) in entry.fileBytes.map { $0.magnitude / 1e6 } })
    let time = (title: "ms per token", value: { (entry: Study.Entry) in entry.rate("decode").map { 1000 / $0 } })
    return [
      plot("Perplexity against size", size, (perplexity, { $0.perplexity })),
      plot("Divergence from the reference against size", size, (divergence, Self.divergence)),
      plot("Divergence from the reference against the time of a token", time, (divergence, Self.divergence)),
    ].compactMap { $0 }
  }

  private typealias Measure = (title: String, value: (Study.Entry) -> Double?)

  private static func divergence(_ entry: Study.Entry) -> Double? { entry.judged("divergence", "mean")?.value }

  private func plot(_ title: String, _ x: Measure, _ y: Measure) -> ReportDocument.Block? {
    var points = judged.compactMap { entry -> ScatterPlot.Point? in
      guard let x = x.value(entry), let y = y.value(entry), x > 0, y > 0 else { return nil }
      return ScatterPlot.Point(x: x, y: y, label: entry.label)
    }
    guard points.count > 1 else { return nil }
    points = points.map { point in
      var point = point
      point.isHighlighted = !points.contains {
        $0.x <= point.x && $0.y <= point.y && ($0.x, $0.y) != (point.x, point.y)
      }
      return point
    }
    let front = points.filter(\.isHighlighted).sorted { $0.x < $1.x }.map(\.label)
    let plot = ScatterPlot(
      title: title, xTitle: x.title, yTitle: y.title, points: points, guide: .front, namesHighlighted: true)
    return .plot(
      svg: plot.svg(),
      caption: "\(title). On the front, where no other is better in both: "
        + front.joined(separator: "; ") + ".")
  }
}
