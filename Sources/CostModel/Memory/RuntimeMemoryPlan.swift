// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// Every buffer that the built-in runtime allocates for a model and a workload, to the byte.
///
/// The runtime allocates from this list and from nothing else, so that the footprint of an estimate is what a run
/// really takes. All of a buffer is touched when it is allocated.
package struct RuntimeMemoryPlan: Sendable, Equatable {
  package enum BufferName: Int, Sendable, CaseIterable {
    case weights, vectors, keys, values, states
    case hidden, normed, queries, newKeys, newValues, mixed, gate, up, projected
    case packedInput, quantizedInput, gemmScratch, attentionScratch, ropeTables, logits
    /// Only models with experts, and only those with latent attention.
    case routerScores, expertInput, expertOutput
    case compressedQuery, absorbedQuery, latentMixed, headInput, headOutput
    /// Only models in low-rank factors or with adapters.
    case thin, adapterOutput
    /// Only models whose matrices have their columns in another order than the input.
    case orderedInput

    /// As reports name it.
    package var name: String { "\(self)" }
  }

  package struct Buffer: Sendable, Equatable {
    package var name: BufferName
    package var kind: MemoryFootprint.Kind
    package var bytes: ByteCount
    package var formula: String
  }

  package let buffers: [Buffer]
  /// Prompt tokens of one forward pass.
  package let microBatch: Int
  /// Tokens of one pass whose logits may be asked for.
  package let logitRows: Int
  /// Where keys and values lie; for the models that the runtime runs.
  package let cache: KeyValueLayout

  package var total: ByteCount { buffers.reduce(.zero) { $0 + $1.bytes } }
  package func bytes(_ name: BufferName) -> ByteCount {
    buffers.first { $0.name == name }?.bytes ?? .zero
  }
}

extension RuntimeMemoryPlan {
  /// Inputs are packed in groups of 4, 6 or 12 tokens, by kernel set; twelve holds them all, and the records of groups of
  /// eight, which take less than half of the floats.
  package static let packedTokenGroup = 12
  /// Floats of one thread's scratch in products of many tokens, by kernel set: 80 unpacked rows of 256 columns and 128
  /// rows' sums with 516 tokens, or for tiles 32 rows of 512 columns in 16 bits and 256 rows' sums with 512 tokens, which
  /// take more.
  package static let gemmScratchFloats = 32 * 512 / 2 + 512 * 256
  /// Queries of one attention call: so many tokens of all heads that share a KV head, but at least one token.
  package static let attentionQueries = 192
  /// Floats of scratch of one attention call (`ck_attention_scratch_bytes`): of each query, of 192 queries' and 256
  /// positions' rows twice each, by whole 32 columns, and of scores.
  package static func attentionFloats(queries: Int, width: Int) -> Int {
    queries * 48 + (192 + 256) * 2 * ((width + 31) / 32 * 32) + 256 * 64 + 192 * 8
  }
  /// Tensors start at multiples of this, as in a GGUF file.
  package static let tensorAlignment: Int64 = 32

  /// The plan for a list of tensors as they are stored.
  package init(architecture: ModelArchitecture, inventory: TensorInventory, workload: Workload, threads: Int) {
    self.init(
      architecture: architecture, weights: RuntimeWeights(inventory), workload: workload, threads: threads)
  }

  /// The plan for weights of which only the sums are known.
  ///
  /// - Shapes: u = micro-batch, d = hidden size, f = feed-forward width, h heads of width w, c = context.
  package init(architecture: ModelArchitecture, weights: RuntimeWeights, workload: Workload, threads: Int) {
    let shape = RuntimeShape(architecture)
    let sequences = max(1, workload.sequences)
    let judged = sequences * (1 + workload.draftTokens)
    let u = max(judged, min(workload.microBatch, workload.contextTokens))
    microBatch = u
    logitRows = judged
    cache = KeyValueLayout(architecture, workload, passTokens: u)
    let widest = shape.widestInput
    let expertRows = max(u, shape.activeExperts)
    let gateFloats = max(u * shape.feedForward, expertRows * shape.expertWidth)
    let packedTokens = (u + Self.packedTokenGroup - 1) / Self.packedTokenGroup * Self.packedTokenGroup
    let attentionFloats = Self.attentionFloats(
      queries: max(Self.attentionQueries, shape.headsPerKeyHead), width: shape.headWidth)

    func floats(_ name: BufferName, _ count: Int, _ formula: String) -> Buffer { Self.floats(name, count, formula) }
    buffers =
      Self.caches(architecture, cache, workload) + [
        Buffer(
          name: .weights, kind: .weights, bytes: weights.alignedBytes,
          formula: "sum over \(weights.tensorCount) tensors, each a multiple of 32 bytes"),
        Buffer(
          name: .vectors, kind: .weights, bytes: weights.vectorBytes,
          formula: "norms and biases as 32-bit floats: \(weights.vectorElements) × 4"),
        floats(.hidden, u * shape.hidden, "\(u) × \(shape.hidden) × 4"),
        floats(.normed, u * shape.hidden, "\(u) × \(shape.hidden) × 4"),
        floats(.queries, u * shape.queries, "\(u) × \(shape.queries) × 4"),
        floats(.newKeys, u * shape.layerKeys, "\(u) × \(shape.layerKeys) × 4"),
        floats(.newValues, u * shape.layerValues, "\(u) × \(shape.layerValues) × 4"),
        floats(.mixed, u * shape.mixed, "\(u) × \(shape.mixed) × 4"),
        floats(.gate, gateFloats, shape.gateFormula(tokens: u)),
        floats(.up, gateFloats, shape.gateFormula(tokens: u)),
        floats(.projected, u * shape.hidden, "\(u) × \(shape.hidden) × 4"),
        floats(.packedInput, packedTokens * widest, "\(packedTokens) tokens × \(widest) × 4"),
        Buffer(
          name: .quantizedInput, kind: .compute, bytes: ByteCount(QuantizedInputLayout(columns: widest).byteCount),
          formula: "8-bit forms of \(widest) inputs with scales and sums"),
        floats(.gemmScratch, threads * Self.gemmScratchFloats, "\(threads) threads × \(Self.gemmScratchFloats) × 4"),
        floats(.attentionScratch, threads * attentionFloats, "\(threads) threads × \(attentionFloats) × 4"),
        floats(.ropeTables, u * shape.rotated, "\(u) × \(shape.rotated) × 4"),
        floats(.logits, judged * shape.vocabulary, "\(judged) tokens × \(shape.vocabulary) × 4"),
      ] + Self.expertBuffers(shape, tokens: u) + Self.latentBuffers(shape, tokens: u)
      + Self.factorBuffers(weights, tokens: u)
      + (weights.copiesInput ? [floats(.orderedInput, u * widest, "\(u) × \(widest) × 4")] : [])
  }

  /// - Shapes: u tokens, E experts of which a token visits k, d = hidden size.
  private static func expertBuffers(_ shape: RuntimeShape, tokens u: Int) -> [Buffer] {
    guard shape.experts > 0 else { return [] }
    let rows = max(u, shape.activeExperts)
    return [
      floats(.routerScores, u * shape.experts, "\(u) × \(shape.experts) experts × 4"),
      floats(.expertInput, u * shape.hidden, "\(u) × \(shape.hidden) × 4"),
      floats(.expertOutput, rows * shape.hidden, "\(rows) × \(shape.hidden) × 4"),
    ]
  }

  /// - Shapes: u tokens, h heads, a compressed query of rank q, cached vectors of c = r + w elements.
  private static func latentBuffers(_ shape: RuntimeShape, tokens u: Int) -> [Buffer] {
    guard shape.latentQueries > 0 else { return [] }
    return [
      floats(.compressedQuery, u * shape.queryRank, "\(u) × \(shape.queryRank) × 4"),
      floats(.absorbedQuery, u * shape.latentQueries, "\(u) × \(shape.latentQueries) × 4"),
      floats(.latentMixed, u * shape.latentQueries, "\(u) × \(shape.latentQueries) × 4"),
      floats(.headInput, u * shape.latentHead, "\(u) × \(shape.latentHead) × 4"),
      floats(.headOutput, u * shape.latentHead, "\(u) × \(shape.latentHead) × 4"),
    ]
  }

  private static func factorBuffers(_ weights: RuntimeWeights, tokens u: Int) -> [Buffer] {
    guard weights.rank > 0 else { return [] }
    let thin = floats(.thin, u * weights.rank, "\(u) × rank \(weights.rank) × 4")
    guard weights.adapterRows > 0 else { return [thin] }
    return [thin, floats(.adapterOutput, u * weights.adapterRows, "\(u) × \(weights.adapterRows) × 4")]
  }

  private static func floats(_ name: BufferName, _ count: Int, _ formula: String) -> Buffer {
    Buffer(name: name, kind: .compute, bytes: ByteCount(count * 4), formula: formula)
  }
}

extension RuntimeMemoryPlan {
  /// Keys, values and recurrent states of all layers and sequences.
  ///
  /// Of models that the runtime does not run this is what they must remember: a window where a layer has one, and 32-bit
  /// states.
  private static func caches(
    _ architecture: ModelArchitecture, _ layout: KeyValueLayout, _ workload: Workload
  ) -> [Buffer] {
    let sequences = max(1, workload.sequences)
    let format = workload.keyValueFormat
    guard !RuntimeSupport.runs(architecture) else {
      return [
        Buffer(
          name: .keys, kind: .keyValueCache, bytes: layout.bytes(\.keyBytes),
          formula: layout.formula(\.keyBytes, format)),
        Buffer(
          name: .values, kind: .keyValueCache, bytes: layout.bytes(\.valueBytes),
          formula: layout.formula(\.valueBytes, format)),
      ]
    }
    let cached = architecture.cacheElements(tokens: workload.contextTokens)
    let states = architecture.stateElements
    return [
      Buffer(
        name: .keys, kind: .keyValueCache, bytes: format.bytes(elements: cached) * sequences,
        formula: "\(cached) elements per sequence (windows counted) × \(sequences), \(format.rawValue)"),
      Buffer(
        name: .states, kind: .keyValueCache, bytes: ByteCount(states * 4 * sequences),
        formula: "\(states) recurrent state elements × \(sequences) × 4"),
    ]
  }
}

/// Where the quantised forms of one input vector lie in their buffer; offsets in bytes.
package struct QuantizedInputLayout: Sendable, Equatable {
  package let scales32: Int
  package let sums32: Int
  package let values256: Int
  package let scales256: Int
  package let sums256: Int
  package let records: Int
  package let byteCount: Int

  /// What products over interleaved rows read of 32 elements: fifteen words (`ck_panel_job`).
  package static let recordBytes = 60

  /// Blocks of 32 (values from offset 0, a scale and a scaled sum each), of 256 (a scale, sixteen 16-bit sums), and
  /// records of 32.
  package init(columns: Int) {
    let padded = (columns + 255) / 256 * 256
    scales32 = padded
    sums32 = scales32 + padded / 32 * 4
    values256 = sums32 + padded / 32 * 4
    scales256 = values256 + padded
    sums256 = scales256 + padded / 256 * 4
    records = sums256 + padded / 16 * 2
    byteCount = records + padded / 32 * Self.recordBytes
  }
}

extension KeyValueFormat {
  /// Stored bytes of one position's `elements` (a multiple of the format's block).
  package func bytes(elements: Int) -> ByteCount {
    ByteCount(Int((Double(elements) * bitsPerElement / 8).rounded(.up)))
  }
}
