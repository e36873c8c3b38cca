// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Glibc
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// Takes whole layers out.
struct DepthPruning {
  let removed: Int
  let criterion: DepthCriterion

  /// - Throws: `CompressionError.notApplicable` when too few layers would be left.
  func apply(
    _ model: WorkingModel, _ text: CalibrationText?, pool: ThreadPool, spool: Spool, watch: Watch
  ) throws -> WorkingModel {
    let count = model.architecture.layers.count
    guard removed <= count - 2 else {
      throw CompressionError.notApplicable(
        step: StructuralStep.depth(layers: removed).name, model: model.description.name,
        reason: "it has \(count) layers, and the first and the last stay")
    }
    var gone = Set(count - 1 - removed..<count - 1)
    if criterion != .last {
      guard let text else {
        throw CompressorError.needsCalibration(variant: StructuralStep.depth(layers: removed).name)
      }
      let states = try LayerStates(model, text, pool: pool, spool: spool, watch: watch)
      gone = criterion == .angle ? block(states, count) : leastInfluential(states, count)
    }
    var result = model.keepingLayers((0..<count).filter { !gone.contains($0) })
    let list = gone.sorted().map(String.init).joined(separator: ",")
    result.notes.append("layers \(list) of \(count) removed by \(criterion.rawValue)")
    return result
  }

  /// The block with the least angle between what enters it and what leaves it; the last layer is never in it.
  private func block(_ states: LayerStates, _ count: Int) -> Set<Int> {
    let starts = 1..<count - removed
    let best = starts.min { states.meanAngle($0, $0 + removed) < states.meanAngle($1, $1 + removed) }
    let first = best ?? count - 1 - removed
    return Set(first..<first + removed)
  }

  private func leastInfluential(_ states: LayerStates, _ count: Int) -> Set<Int> {
    let inner = 1..<count - 1
    return Set(inner.sorted { states.influence(ofLayer: $0) < states.influence(ofLayer: $1) }.prefix(removed))
  }
}

/// The states between the layers at some positions of a text.
struct LayerStates {
  private let width: Int
  private let samples: Int
  /// (layers + 1, samples, hidden)
  private let states: UnsafeMutableBufferPointer<Float>
  private let owner: Spool

  /// Positions that are kept: their states at all layers are in memory together.
  private static let limit = 512

  init(_ model: WorkingModel, _ text: CalibrationText, pool: ThreadPool, spool: Spool, watch: Watch) throws {
    let walk = try LayerWalk(model, text, pool: pool, spool: spool, watch: watch)
    let step = max(1, text.tokens.count / Self.limit)
    // A window's first token sees nothing, and its states are unlike all others.
    let positions = stride(from: step - 1, to: text.tokens.count, by: step).filter { $0 % text.window != 0 }
    let count = model.architecture.layers.count
    width = model.architecture.hiddenSize
    samples = positions.count
    owner = spool
    states = try spool.allocate(floats: (count + 1) * samples * width)
    for layer in 0...count {
      for (place, position) in positions.enumerated() {
        let target = (layer * samples + place) * width
        for column in 0..<width { states[target + column] = walk.current[position * width + column] }
      }
      if layer < count { try walk.advance(throughLayer: layer) }
    }
  }

  /// The mean of arccos(cosine) / π between the states before two layers.
  func meanAngle(_ first: Int, _ second: Int) -> Double {
    mean { acos(max(-1, min(1, cosine(first, second, sample: $0)))) / Double.pi }
  }

  /// 1 − the mean cosine of a layer's input and output.
  func influence(ofLayer layer: Int) -> Double { 1 - mean { cosine(layer, layer + 1, sample: $0) } }

  private func mean(_ value: (Int) -> Double) -> Double {
    (0..<samples).reduce(0) { $0 + value($1) } / Double(max(1, samples))
  }

  private func cosine(_ first: Int, _ second: Int, sample: Int) -> Double {
    let (a, b) = ((first * samples + sample) * width, (second * samples + sample) * width)
    var (product, left, right) = (0.0, 0.0, 0.0)
    for column in 0..<width {
      let (x, y) = (Double(states[a + column]), Double(states[b + column]))
      product += x * y
      left += x * x
      right += y * y
    }
    return product / max((left * right).squareRoot(), .leastNormalMagnitude)
  }
}
