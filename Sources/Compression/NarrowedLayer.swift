// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A layer before and after its heads and feed-forward channels were thinned out.
///
/// - Source: LLM-Pruner, arXiv 2305.11627: structures that belong together go together, here a key and value head with
///   its queries and the inputs that mix them, or a channel's rows of gate and up with its column of down.
package struct NarrowedLayer: Sendable {
  package let after: LayerDescription
  private let attention: (before: Attention, after: Attention)
  private let widths: (old: Int, new: Int)

  /// How many key and value heads there are, and how many stay.
  package var heads: (old: Int, new: Int) { (attention.before.keyValueHeads, attention.after.keyValueHeads) }
  /// How many feed-forward channels there are, and how many stay.
  package var channels: (old: Int, new: Int) { widths }

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
    after = LayerDescription(mixers: [.attention(thinner)], feedForward: narrower)
    self.attention = (attention, thinner)
    widths = (feedForward.width, narrower.width)
  }

  /// The narrowed layers of a model by their index.
  ///
  /// - Parameter range: nil takes the layers from the fifth to the fifth from the end, LLM-Pruner's default.
  /// - Throws: `CompressionError.notApplicable`.
  package static func layers(
    of model: LanguageModelDescription, keeping permille: Int, in range: Range<Int>? = nil
  ) throws(CompressionError) -> [Int: NarrowedLayer] {
    let step = StructuralStep.width(permille: 1000 - permille).name
    let count = model.architecture.layers.count
    guard range != nil || count > 2 * wholeLayers else {
      throw .notApplicable(
        step: step, model: model.name,
        reason: "it has \(count) layers, and the first and last \(wholeLayers) stay whole")
    }
    var narrowed: [Int: NarrowedLayer] = [:]
    for index in range ?? wholeLayers..<count - wholeLayers {
      guard let layer = NarrowedLayer(model.architecture.layers[index], keeping: permille) else {
        throw .notApplicable(
          step: step, model: model.name, reason: "layer \(index) is not plain attention with a dense feed-forward part")
      }
      narrowed[index] = layer
    }
    return narrowed
  }

  private static let wholeLayers = 4

  /// A width that every format whose blocks divided the old one can still store.
  private static func channels(_ width: Int, keeping permille: Int) -> Int {
    let step = [256, 32].first { width % $0 == 0 } ?? 1
    return max(1, (width / step * permille + 500) / 1000) * step
  }

  package func narrow(_ tensor: inout TensorDescription) {
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

  /// Which structure each output (row) or input (column) of a tensor belongs to; nil along a side that stays whole.
  ///
  /// A vector's elements are outputs.
  package struct Membership: Sendable, Equatable {
    package enum Structure: Sendable { case head, channel }
    package var structure: Structure
    /// The number of the head or channel of each row or column.
    package var places: [Int]
    package var isAlongRows: Bool
  }

  /// - Parameter tensor: as it was before the layer was narrowed.
  package func membership(of tensor: TensorDescription) -> Membership? {
    let old = attention.before
    let queries = (0..<old.heads * old.keyWidth).map { $0 / (old.keyWidth * (old.heads / old.keyValueHeads)) }
    let mixed = (0..<old.heads * old.valueWidth).map { $0 / (old.valueWidth * (old.heads / old.keyValueHeads)) }
    let keys = (0..<old.keyValueHeads * old.keyWidth).map { $0 / old.keyWidth }
    let values = (0..<old.keyValueHeads * old.valueWidth).map { $0 / old.valueWidth }
    let channels = Array(0..<widths.old)
    switch tensor.role {
    case .attentionQuery, .attentionQueryBias: return rows(queries, .head)
    case .attentionKey, .attentionKeyBias: return rows(keys, .head)
    case .attentionValue, .attentionValueBias: return rows(values, .head)
    case .attentionQKV, .attentionQKVBias: return rows(queries + keys + values, .head)
    case .attentionOutput: return Membership(structure: .head, places: mixed, isAlongRows: false)
    case .feedForwardGate, .feedForwardGateBias, .feedForwardUpBias: return rows(channels, .channel)
    // Gate and up may be the halves of one matrix.
    case .feedForwardUp, .feedForwardGateUp:
      return rows(Int(tensor.rows) == 2 * widths.old ? channels + channels : channels, .channel)
    case .feedForwardDown: return Membership(structure: .channel, places: channels, isAlongRows: false)
    default: return nil
    }
  }

  private func rows(_ places: [Int], _ structure: Membership.Structure) -> Membership {
    Membership(structure: structure, places: places, isAlongRows: true)
  }
}

extension TensorDescription {
  /// A vector's outputs are its only row.
  fileprivate mutating func replaceOutputs(_ change: (old: Int, new: Int)) {
    if isVector { return replaceInputs(change) }
    if rows == change.old { rows = Int32(change.new) }
    if rows == 2 * change.old { rows = Int32(2 * change.new) }
  }

  fileprivate mutating func replaceInputs(_ change: (old: Int, new: Int)) {
    if columns == change.old { columns = Int32(change.new) }
  }
}
