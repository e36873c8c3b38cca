// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Evidence
internal import Quantities

/// What removing a share of a model's weights costs, by the way of removing it, without training afterwards.
struct RemovalEvidence: Sendable {
  private struct Point {
    var share: Double
    var loss: Double
    var models: Set<String>
  }

  private let points: [String: [Point]]

  init(_ rows: [QualityEvidence]) {
    var sums: [String: [Double: [QualityEvidence]]] = [:]
    for row in rows {
      guard let (family, share) = Self.removal(row.variant) else { continue }
      sums[family, default: [:]][share, default: []].append(row)
    }
    points = sums.mapValues { shares in
      shares.map { share, rows in
        let losses = rows.map { max(QualityModel.noise, $0.lossIncrease) }.sorted()
        return Point(share: share, loss: losses[losses.count / 2], models: Set(rows.map(\.model)))
      }.sorted { $0.share < $1.share }
    }
  }

  /// `width-0.2` removes a fifth of the width; `svd-0.8` keeps four fifths.
  private static func removal(_ name: String) -> (family: String, share: Double)? {
    let parts = name.split(separator: "-")
    guard parts.count == 2, let number = Double(parts[1]), number > 0, number < 1 else { return nil }
    switch parts[0] {
    case "width": return ("width", number)
    case "svd": return ("svd", 1 - number)
    default: return nil
    }
  }

  /// Between the two nearest shares in the logarithm of the loss; beyond them the loss grows with the share's square.
  ///
  /// The interval widens with the distance from what was measured: a tenth of the weights doubles its logarithm.
  func estimate(_ step: StructuralStep) -> QualityEstimate? {
    guard let (family, share) = Self.removal(step.name), let points = points[family], let first = points.first,
      let last = points.last
    else { return nil }
    let (below, above) = (points.last { $0.share <= share } ?? first, points.first { $0.share >= share } ?? last)
    let loss: Double
    if below.share < above.share, below.share <= share, share <= above.share {
      let position = (share - below.share) / (above.share - below.share)
      loss = Logarithm.exponential(
        Logarithm.natural(below.loss) * (1 - position) + Logarithm.natural(above.loss) * position)
    } else {
      let ratio = share / below.share
      loss = below.loss * ratio * ratio
    }
    let distance = min(abs(share - below.share), abs(share - above.share))
    let spread = Logarithm.natural(QualityModel.betweenModels) * (1 + distance / 0.1)
    let models = below.models.union(above.models).sorted()
    return QualityEstimate(
      loss: .known(
        LossIncrease(nats: loss), low: LossIncrease(nats: loss / Logarithm.exponential(spread)),
        high: LossIncrease(nats: loss * Logarithm.exponential(spread)), basis: .modelled,
        source: "published figures of \(models.joined(separator: ", ")) pruned by this way without training afterwards"),
      models: models)
  }
}
