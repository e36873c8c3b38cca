// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import LanguageModel
internal import ModelFiles

/// Takes heads and feed-forward channels out of some layers.
struct WidthPruning {
  let criterion: WidthCriterion
  /// Nil takes all but the first and last four.
  let layers: Range<Int>?
  /// Of each of the source's layers, for a criterion that the weights alone do not show.
  let given: [StructureScores]?

  /// - Throws: `CompressionError.notApplicable`; `CompressorError.needsCalibration`; what reading the layers throws.
  func apply(_ model: WorkingModel, removing permille: Int, spool: Spool, watch: Watch) throws -> WorkingModel {
    let count = model.architecture.layers.count
    let narrowed = try NarrowedLayer.layers(
      of: model.description, keeping: 1000 - permille, in: layers.map { $0.clamped(to: 0..<count) })
    if criterion == .taylor, given == nil {
      throw CompressorError.needsCalibration(variant: StructuralStep.width(permille: permille).name)
    }
    var entries: [(entry: DerivedWeights.Entry, published: StorageFormat)] = []
    var architecture = model.architecture
    var ready: [Int: FloatLayer] = [:]
    for index in model.description.inventory.tensors.indices {
      let published = model.description.inventory.tensors[index].format
      let layer = Int(model.description.inventory.tensors[index].layer)
      guard let shape = narrowed[layer] else {
        entries.append((model.weights.entry(index), published))
        continue
      }
      if ready[layer] == nil {
        try watch.step("layer \(layer + 1): choosing heads and channels")
        ready[layer] = try thinned(
          try FloatLayer(model, layer: layer, spool: spool), shape, given?[model.keptLayers?[layer] ?? layer])
        architecture.layers[layer] = shape.after
      }
      let name = model.description.inventory.fileNames[index]
      guard let tensor = ready[layer]?.tensors.first(where: { $0.name == name }) else { continue }
      entries.append((tensor.entry, published))
    }
    var result = model.replacing(entries, architecture, owner: spool)
    let list = narrowed.keys.sorted().map(String.init).joined(separator: ",")
    result.notes.append("heads and channels of layers \(list) removed by \(criterion.rawValue)")
    return result
  }

  private func thinned(_ layer: FloatLayer, _ shape: NarrowedLayer, _ given: StructureScores?) throws -> FloatLayer {
    var layer = layer
    var (heads, channels) = (
      scores(layer, shape, .head, count: shape.heads.old), scores(layer, shape, .channel, count: shape.channels.old)
    )
    if criterion == .taylor, let given, (given.heads.count, given.channels.count) == (heads.count, channels.count) {
      (heads, channels) = (given.heads, given.channels)
    }
    let kept = (heads: best(shape.heads, heads), channels: best(shape.channels, channels))
    for place in layer.tensors.indices {
      guard let membership = try membership(layer.tensors[place], shape) else { continue }
      let stays = Set(membership.structure == .head ? kept.heads : kept.channels)
      let lines = membership.places.indices.filter { stays.contains(membership.places[$0]) }
      layer.tensors[place] = try layer.tensors[place].keeping(
        lines, alongRows: membership.isAlongRows && !layer.tensors[place].description.isVector, spool: layer.spool)
    }
    layer.shape = shape.after
    return layer
  }

  private func membership(_ tensor: FloatTensor, _ shape: NarrowedLayer) throws -> NarrowedLayer.Membership? {
    guard let found = shape.membership(of: tensor.description) else { return nil }
    let side = found.isAlongRows && !tensor.description.isVector ? tensor.rows : tensor.columns
    guard found.places.count == side else {
      throw CompressorError.notExpressible(
        reason: "'\(tensor.name)' has \(side) lines where its layer has \(found.places.count)")
    }
    return found
  }

  /// How much each structure of a layer weighs.
  private func scores(
    _ layer: FloatLayer, _ shape: NarrowedLayer, _ structure: NarrowedLayer.Membership.Structure, count: Int
  ) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    if criterion == .random {
      var random = SplitMix(seed: UInt64(layer.index) * 2 + (structure == .head ? 0 : 1))
      return sums.map { _ in random.next() }
    }
    for tensor in layer.tensors {
      guard let membership = shape.membership(of: tensor.description), membership.structure == structure else {
        continue
      }
      let isByRow = membership.isAlongRows && !tensor.description.isVector
      for row in 0..<tensor.rows {
        for column in 0..<tensor.columns {
          let value = Double(tensor.values[row * tensor.columns + column])
          sums[membership.places[isByRow ? row : column]] += criterion == .magnitudeL1 ? abs(value) : value * value
        }
      }
    }
    return sums
  }

  /// The places of the highest scores, in their order.
  private func best(_ change: (old: Int, new: Int), _ scores: [Double]) -> [Int] {
    let ranked = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
    return ranked.prefix(change.new).sorted()
  }
}

extension FloatTensor {
  /// Some of the rows or columns only.
  fileprivate func keeping(_ lines: [Int], alongRows: Bool, spool: Spool) throws -> FloatTensor {
    var result = self
    if alongRows {
      result.description.rows = Int32(lines.count)
      result.values = try spool.allocate(floats: lines.count * columns)
      for (new, old) in lines.enumerated() { result.row(new).update(from: row(old), count: columns) }
    } else {
      result.description.columns = Int32(lines.count)
      result.values = try spool.allocate(floats: rows * lines.count)
      for row in 0..<rows {
        for (new, old) in lines.enumerated() { result.values[row * lines.count + new] = values[row * columns + old] }
      }
    }
    return result
  }
}

/// How much the key and value heads and the feed-forward channels of a layer matter.
package struct StructureScores: Sendable, Equatable {
  package var heads: [Double]
  package var channels: [Double]

  package init(heads: [Double], channels: [Double]) {
    self.heads = heads
    self.channels = channels
  }
}

/// Numbers that look random and are the same every time.
struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// At least 0 and below 1.
  mutating func next() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) / 9_007_199_254_740_992
  }
}
