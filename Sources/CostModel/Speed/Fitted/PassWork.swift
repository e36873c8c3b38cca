// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// What one pass moves and computes, as the time model of foreign engines sees it.
package struct PassWork: Sendable {
  package var isPrompt: Bool
  /// Tokens that the pass yields (a step) or takes in (a prompt).
  package var tokens: Double
  /// Micro-batches, each of which launches every layer.
  package var launches: Double
  package var layers: Double
  /// Of these, layers of the model.
  package var modelLayers: Double
  /// Elements of a token's state between layers.
  package var hidden: Double
  /// Of the layer with the fewest.
  package var keyValueHeads: Int
  package var hasExperts: Bool
  /// Attention in separate products through memory, as before flash attention was the default.
  package var hasPlainAttention = false
  /// Weights read, of all micro-batches.
  package var weightBytes = 0.0
  /// Of these, stored bytes of routed experts; how many a layer has, and the share that a micro-batch visits.
  package var routedBytes = 0.0
  package var experts: Int
  package var visitedExperts = 1.0
  /// Weights that one token meets, by family.
  package var elements = FamilyValues()
  /// Multiply-adds with weights, in operations, by family.
  package var operations = FamilyValues()
  /// Cached keys, values and states that the step reads.
  package var cacheBytes = 0.0
  /// Operations of attention within a prompt and with what stands before it.
  package var attentionOperations = 0.0

  /// Embedding, head and sampling launch about as much as these many layers.
  static let layersBesides = 8.0
  /// Bytes that unpacking a 4-bit weight moves where no fused kernel does it: shifts, masks, zeros and scales each read and
  /// write whole 32-bit integers or 16-bit floats.
  ///
  /// - Source: AWQ without its kernels on an A100 took 0.40 to 0.42 s per token for 7.0 billion weights where 16 bits took
  ///   0.03 s (Schmitt's thesis, 2024, table 2.8): 90 bytes per weight at four fifths of the bandwidth.
  static let unfusedBytes = 90.0

  private init(isPrompt: Bool, tokens: Double, launches: Double, _ model: ModelWork, _ portion: WorkPortion) {
    self.isPrompt = isPrompt
    self.tokens = tokens
    self.launches = launches
    modelLayers = Double(model.layers) * max(portion.layers, model.experts > 1 ? portion.experts : 0)
    layers = modelLayers + (portion.hasHead ? Self.layersBesides : 0)
    hidden = Double(model.hiddenSize)
    keyValueHeads = model.keyValueHeads
    hasExperts = model.experts > 1
    experts = model.experts
  }

  /// The share of a part's weights that a portion of the model reads.
  private static func share(_ part: VariantWork.Part, _ portion: WorkPortion) -> Double {
    part.isHead ? (portion.hasHead ? 1 : 0) : part.isRouted ? portion.experts : portion.layers
  }

  /// One decode step of all sequences of the workload.
  ///
  /// - Parameter together: sequences of the pass, where not all go at once.
  package static func step(
    _ work: VariantWork, _ model: ModelWork, by engine: Engine, _ portion: WorkPortion = .whole, together: Int? = nil
  ) -> PassWork {
    let rules = EngineRules.of(engine)
    let sequences = max(1, together ?? model.workload.sequences)
    var pass = PassWork(isPrompt: false, tokens: Double(sequences), launches: 1, model, portion)
    for part in work.parts {
      let share = share(part, portion)
      let family = part.family.rawValue
      let bytes = work.bytes(part, tokens: sequences, model)
      pass.weightBytes += share * bytes
      pass.routedBytes += part.isRouted ? share * bytes : 0
      pass.weightBytes += share * unpackedBytes(part, model, rules) * part.elements
      pass.elements[family] += share * part.elements
      pass.operations[family] += share * 2 * part.elements * Double(sequences)
    }
    pass.visitedExperts = model.expertShare(tokens: sequences)
    pass.cacheBytes = (model.cacheBytesRead + model.stateBytes) * Double(sequences) * portion.layers
    return pass
  }

  /// The prompt of one sequence after `earlier` tokens, whose attention operations `model` may include.
  package static func prompt(
    _ work: VariantWork, _ model: ModelWork, by engine: Engine, _ portion: WorkPortion = .whole,
    earlierOperations: Double = 0, tokens: Int? = nil
  ) -> PassWork {
    let rules = EngineRules.of(engine)
    let prompt = Double(tokens ?? min(model.workload.promptTokens, model.workload.contextTokens))
    let batch = max(1, min(prompt, Double(model.workload.microBatch)))
    let launches = (prompt / batch).rounded(.up)
    var pass = PassWork(isPrompt: true, tokens: prompt, launches: launches, model, portion)
    for part in work.parts {
      let share = share(part, portion)
      let family = part.family.rawValue
      // Logits are asked for after the last token alone.
      let bytes = work.bytes(part, tokens: Int(batch), model)
      let visited = bytes / max(part.bytes, .leastNormalMagnitude) * part.elements
      let passes = part.isHead ? 1 : launches
      pass.weightBytes += share * passes * (bytes + unpackedBytes(part, model, rules) * visited)
      pass.routedBytes += part.isRouted ? share * passes * bytes : 0
      pass.elements[family] += share * part.elements
      pass.operations[family] += share * 2 * part.elements * (part.isHead ? 1 : prompt)
    }
    pass.visitedExperts = model.expertShare(tokens: Int(batch))
    pass.attentionOperations = (model.promptAttentionOperations - earlierOperations) * portion.layers
    return pass
  }

  /// Bytes per weight that unpacking moves before a product: expanded weights are written and read again in 16 bits.
  private static func unpackedBytes(_ part: VariantWork.Part, _ model: ModelWork, _ rules: EngineRules) -> Double {
    switch rules.formats(part.format) {
    case .expanded: 4
    case .packed where !model.workload.hasFusedKernels && !rules.readsGGUF: unfusedBytes
    default: 0
    }
  }
}
