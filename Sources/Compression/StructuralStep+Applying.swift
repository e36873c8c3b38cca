// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

extension StructuralStep {
  /// The model after this step.
  ///
  /// - Throws: `CompressionError.notApplicable` for a model whose shapes do not allow it.
  func applied(to model: LanguageModelDescription) throws(CompressionError) -> LanguageModelDescription {
    switch self {
    case .depth(let removed): try shallower(model, by: removed)
    case .width(let permille): try narrower(model, keeping: 1000 - permille)
    case .mergedAdapter: model
    case .adapter(let rank): model.replacingMatrices { [$0] + $0.adapter(rank: rank) }
    case .lowRank(let permille): model.replacingMatrices { $0.factors(keeping: permille) }
    }
  }

  private func refusal(_ model: LanguageModelDescription, _ reason: String) -> CompressionError {
    .notApplicable(step: name, model: model.name, reason: reason)
  }

  /// Without the block of layers that ends before the last one.
  ///
  /// - Source: Gromov et al., arXiv 2403.17887: the deepest layers but the last change their input least. Where all
  ///   layers are alike the sizes do not depend on the choice.
  private func shallower(
    _ model: LanguageModelDescription, by removed: Int
  ) throws(CompressionError) -> LanguageModelDescription {
    let count = model.architecture.layers.count
    guard removed <= count - 2 else {
      throw refusal(model, "it has \(count) layers, and the first and the last stay")
    }
    return model.keepingLayers(Array(0..<count - 1 - removed) + [count - 1])
  }

  /// With fewer heads and feed-forward channels in the layers from the fifth to the fifth from the end.
  ///
  /// - Source: LLM-Pruner, arXiv 2305.11627: its default leaves the first layers and the last ones whole, and prunes
  ///   coupled structures, here a key and value head with its queries.
  private func narrower(
    _ model: LanguageModelDescription, keeping permille: Int
  ) throws(CompressionError) -> LanguageModelDescription {
    let count = model.architecture.layers.count
    guard count > 2 * Self.wholeLayers else {
      throw refusal(model, "it has \(count) layers, and the first and last \(Self.wholeLayers) stay whole")
    }
    var result = model
    var narrowed: [Int: NarrowedLayer] = [:]
    for index in Self.wholeLayers..<count - Self.wholeLayers {
      guard let layer = NarrowedLayer(model.architecture.layers[index], keeping: permille) else {
        throw refusal(model, "layer \(index) is not plain attention with a dense feed-forward part")
      }
      narrowed[index] = layer
      result.architecture.layers[index] = layer.after
    }
    for index in result.inventory.tensors.indices {
      guard let layer = narrowed[Int(result.inventory.tensors[index].layer)] else { continue }
      layer.narrow(&result.inventory.tensors[index])
    }
    return result
  }

  private static let wholeLayers = 4
}

/// A layer before and after its heads and channels were thinned out.
private struct NarrowedLayer {
  let before: LayerDescription
  let after: LayerDescription
  private let attention: (before: Attention, after: Attention)
  private let widths: (old: Int, new: Int)

  /// Nil for a layer that has other parts than attention and a dense feed-forward.
  init?(_ layer: LayerDescription, keeping permille: Int) {
    guard layer.mixers.count == 1, case .attention(let attention) = layer.mixers[0],
      let feedForward = layer.feedForward, feedForward.experts == 0
    else { return nil }
    let groups = max(1, (attention.keyValueHeads * permille + 500) / 1000)
    var thinner = attention
    thinner.keyValueHeads = groups
    thinner.heads = attention.heads / attention.keyValueHeads * groups
    var narrower = feedForward
    narrower.width = Self.channels(feedForward.width, keeping: permille)
    before = layer
    after = LayerDescription(mixers: [.attention(thinner)], feedForward: narrower)
    self.attention = (attention, thinner)
    widths = (feedForward.width, narrower.width)
  }

  /// A width that every format whose blocks divided the old one can still store.
  private static func channels(_ width: Int, keeping permille: Int) -> Int {
    let step = [256, 32].first { width % $0 == 0 } ?? 1
    return max(1, (width / step * permille + 500) / 1000) * step
  }

  func narrow(_ tensor: inout TensorDescription) {
    let (old, new) = attention
    let queries = (old.heads * old.keyWidth, new.heads * new.keyWidth)
    let keys = (old.keyValueHeads * old.keyWidth, new.keyValueHeads * new.keyWidth)
    let values = (old.keyValueHeads * old.valueWidth, new.keyValueHeads * new.valueWidth)
    let mixed = (old.heads * old.valueWidth, new.heads * new.valueWidth)
    switch tensor.role {
    case .attentionQuery, .attentionQueryBias: tensor.replaceOutputs(queries)
    case .attentionKey, .attentionKeyBias: tensor.replaceOutputs(keys)
    case .attentionValue, .attentionValueBias: tensor.replaceOutputs(values)
    case .attentionQKV, .attentionQKVBias:
      tensor.replaceOutputs((queries.0 + keys.0 + values.0, queries.1 + keys.1 + values.1))
    case .attentionOutput: tensor.replaceInputs(mixed)
    case .feedForwardGate, .feedForwardGateBias, .feedForwardUp, .feedForwardUpBias: tensor.replaceOutputs(widths)
    case .feedForwardGateUp: tensor.replaceOutputs((2 * widths.old, 2 * widths.new))
    case .feedForwardDown: tensor.replaceInputs(widths)
    default: break
    }
  }
}

extension TensorDescription {
  /// A vector's outputs are its only row.
  fileprivate mutating func replaceOutputs(_ change: (old: Int, new: Int)) {
    if isVector { return replaceInputs(change) }
    if rows == change.old { rows = Int32(change.new) }
  }

  fileprivate mutating func replaceInputs(_ change: (old: Int, new: Int)) {
    if columns == change.old { columns = Int32(change.new) }
  }
}
