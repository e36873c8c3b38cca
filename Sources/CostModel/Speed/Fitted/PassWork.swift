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
  package var hasExperts: Bool
  /// Attention in separate products through memory, as before flash attention was the default.
  package var hasPlainAttention = false
  /// Weights read, of all micro-batches.
  package var weightBytes = 0.0
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

  private init(isPrompt: Bool, tokens: Double, launches: Double, _ model: ModelWork) {
    self.isPrompt = isPrompt
    self.tokens = tokens
    self.launches = launches
    layers = Double(model.layers) + Self.layersBesides
    hasExperts = model.experts > 1
  }

  /// One decode step of all sequences of the workload.
  package static func step(_ work: VariantWork, _ model: ModelWork, by engine: Engine) -> PassWork {
    let rules = EngineRules.of(engine)
    let isUnfused = !model.workload.hasFusedKernels && !rules.readsGGUF
    let sequences = max(1, model.workload.sequences)
    var pass = PassWork(isPrompt: false, tokens: Double(sequences), launches: 1, model)
    for part in work.parts {
      let family = part.family.rawValue
      pass.weightBytes += work.bytes(part, tokens: sequences, model)
      // Expanded weights are written and read again in 16 bits.
      if rules.formats(part.format) == .expanded { pass.weightBytes += 4 * part.elements }
      if isUnfused, rules.formats(part.format) == .packed { pass.weightBytes += unfusedBytes * part.elements }
      pass.elements[family] += part.elements
      pass.operations[family] += 2 * part.elements * Double(sequences)
    }
    pass.cacheBytes = (model.cacheBytesRead + model.stateBytes) * Double(sequences)
    return pass
  }

  /// The prompt of one sequence after `earlier` tokens, whose attention operations `model` may include.
  package static func prompt(_ work: VariantWork, _ model: ModelWork, earlierOperations: Double = 0, tokens: Int? = nil)
    -> PassWork
  {
    let prompt = Double(tokens ?? min(model.workload.promptTokens, model.workload.contextTokens))
    let batch = max(1, min(prompt, Double(model.workload.microBatch)))
    let launches = (prompt / batch).rounded(.up)
    var pass = PassWork(isPrompt: true, tokens: prompt, launches: launches, model)
    for part in work.parts {
      let family = part.family.rawValue
      // Logits are asked for after the last token alone.
      pass.weightBytes += work.bytes(part, tokens: Int(batch), model) * (part.isHead ? 1 : launches)
      pass.elements[family] += part.elements
      pass.operations[family] += 2 * part.elements * (part.isHead ? 1 : prompt)
    }
    pass.attentionOperations = model.promptAttentionOperations - earlierOperations
    return pass
  }
}
