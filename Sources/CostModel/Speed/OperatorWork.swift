// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
internal import Compression
internal import Quantities

/// What each operator of a pass reads and computes: the terms of an estimate, one by one.
///
/// Weights are those of `VariantWork`, the rest is that of `ModelWork`; only products and attention count operations.
package struct OperatorWork: Sendable {
  package struct Amount: Sendable, Equatable {
    /// Weights and cached keys and values; of operators that read no memory the activations that pass through.
    package var bytes = 0.0
    /// Operations on 32-bit floats, on 8-bit and on 16-bit integers, and on 16-bit floats in tiles.
    package var floatOperations = 0.0
    package var integerOperations = 0.0
    package var wordOperations = 0.0
    package var tileOperations = 0.0
    package var operations: Double { floatOperations + integerOperations + wordOperations + tileOperations }

    package init() {}
  }

  /// What the kernels multiply weights with.
  package enum Arithmetic: Sendable, CaseIterable { case floats, integers, words, tiles }

  /// One token in the middle of the generation.
  package private(set) var decode: [PassOperator: Amount] = [:]
  /// The whole prompt.
  package private(set) var prefill: [PassOperator: Amount] = [:]

  /// - Parameter arithmetic: what the kernels multiply a format with, for one token or for many.
  package init(
    _ model: LanguageModelDescription, _ workload: Workload,
    arithmetic: (_ format: StorageFormat, _ isBatch: Bool) -> Arithmetic
  ) {
    let work = ModelWork(model.architecture, workload)
    let tensors = model.inventory.tensors
    let embeddings = tensors.filter { TensorClass($0.role) == .embedding }
    let shares = TokenShares(
      work, hasHead: tensors.contains { $0.role == .outputHead },
      embeddingElements: embeddings.reduce(0) { $0 + $1.elements })
    for tensor in tensors {
      addWeights(tensor, shares, work, arithmetic(tensor.format, false), arithmetic(tensor.format, true))
    }
    for table in embeddings { decode[.embedding, default: Amount()].bytes += Self.rowBytes(table) }
    prefill[.embedding, default: Amount()].bytes = (decode[.embedding]?.bytes ?? 0) * work.promptTokens
    addAttention(model.architecture, work)
    addActivations(work)
  }

  private static func rowBytes(_ tensor: TensorDescription) -> Double {
    tensor.bytes.magnitude / Double(max(1, Int(tensor.rows) * Int(tensor.copies)))
  }

  private mutating func addWeights(
    _ tensor: TensorDescription, _ shares: TokenShares, _ work: ModelWork, _ step: Arithmetic,
    _ batch: Arithmetic
  ) {
    let tensorClass = TensorClass(tensor.role)
    let share = shares.of(tensorClass)
    guard share > 0 else { return }
    let reader = tensorClass == .embedding ? .logits : PassOperator(tensor.role)
    let operations = tensor.isVector ? 0 : 2 * Double(tensor.elements) * share
    let bytes = tensor.bytes.magnitude * share
    decode[reader, default: Amount()].add(bytes: bytes, operations: operations, in: step)
    // Only the last token's logits are asked for.
    guard reader != .logits else {
      return prefill[reader, default: Amount()].add(bytes: bytes, operations: operations, in: step)
    }
    let visited = tensorClass == .routedExperts ? work.expertShare(tokens: work.batch) : share
    prefill[reader, default: Amount()].add(
      bytes: tensor.bytes.magnitude * visited * work.chunks, operations: operations * work.promptTokens,
      in: batch)
  }

  private mutating func addAttention(_ architecture: ModelArchitecture, _ work: ModelWork) {
    decode[.attention, default: Amount()].add(
      bytes: work.cacheBytesRead, operations: work.attentionOperations, in: .floats)
    var prompt = work.workload
    prompt.generatedTokens = 0
    prefill[.attention, default: Amount()].add(
      bytes: ModelWork(architecture, prompt).cacheBytesRead, operations: work.promptAttentionOperations,
      in: .floats)
  }

  private mutating func addActivations(_ work: ModelWork) {
    let bytes = work.activations
    for (reader, amount) in [
      (PassOperator.norm, bytes.norms), (.rotation, bytes.rotation), (.activation, bytes.activation),
      (.residual, bytes.sums),
    ] {
      decode[reader, default: Amount()].bytes += amount
      prefill[reader, default: Amount()].bytes += amount * work.promptTokens
    }
  }
}

extension OperatorWork.Amount {
  fileprivate mutating func add(bytes: Double, operations: Double, in arithmetic: OperatorWork.Arithmetic) {
    self.bytes += bytes
    switch arithmetic {
    case .floats: floatOperations += operations
    case .integers: integerOperations += operations
    case .words: wordOperations += operations
    case .tiles: tileOperations += operations
    }
  }
}

extension ModelWork {
  var promptTokens: Double { Double(min(workload.promptTokens, workload.contextTokens)) }
  /// Tokens that a pass over the prompt takes together, and how many passes it needs.
  var batch: Int { max(1, min(Int(promptTokens), workload.microBatch)) }
  var chunks: Double { (promptTokens / Double(batch)).rounded(.up) }
}
