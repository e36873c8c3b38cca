// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import LanguageModel
package import ModelFiles
package import Quantities

/// A loaded model with its caches: takes tokens, gives logits.
///
/// Not safe for use from several threads at once; the work inside is spread over the pool.
package final class InferenceSession {
  package let architecture: ModelArchitecture
  package let plan: RuntimeMemoryPlan
  package let kernels: KernelSet
  package let pool: ThreadPool
  private let products: Products
  private var transformer: Transformer
  private let buffers: RuntimeBuffers
  /// What the copy of the file's matrices in interleaved rows takes; zero where there is none.
  package let repackedBytes: ByteCount
  /// Tokens in each sequence's cache.
  private var lengths: [Int]
  private let contextTokens: Int

  /// Checks the model, allocates the plan's buffers and prepares the weights.
  ///
  /// - Parameter productsAreIdle: leaves out the arithmetic of the products, to time everything else.
  /// - Throws: `LanguageRuntimeError` before anything is allocated when the model cannot run.
  package init(
    architecture: ModelArchitecture, weights: any WeightSource, workload: Workload, kernels: KernelSet,
    pool: ThreadPool, productsAreIdle: Bool = false
  ) throws(LanguageRuntimeError) {
    try PreparedModel.check(architecture, weights.inventory)
    guard KVCache.runs(workload.keyValueFormat, architecture) else {
      throw .unsupportedFormat(tensor: "KV cache", format: workload.keyValueFormat.rawValue)
    }
    plan = RuntimeMemoryPlan(
      architecture: architecture, inventory: weights.inventory, workload: workload, threads: pool.count)
    buffers = try RuntimeBuffers(plan: plan)
    let shape = RuntimeShape(architecture)
    let ordered = try OrderedWeights.ordering(weights, of: architecture, on: pool)
    let ready = try InterleavedWeights.repacking(ordered, of: architecture, for: kernels, on: pool)
    repackedBytes = (ready as? InterleavedWeights)?.allocated ?? .zero
    let model = try PreparedModel(
      architecture: architecture, source: ready, kernels: kernels, vectors: buffers.floats(.vectors))
    products = Products(
      kernels: kernels, pool: pool, buffers: buffers, widest: shape.widestInput, isIdle: productsAreIdle)
    transformer = Transformer(
      model: model, products: products,
      cache: KVCache(architecture: architecture, workload: workload, buffers: buffers), shape: shape,
      contextTokens: workload.contextTokens, buffers: buffers)
    self.architecture = architecture
    self.kernels = kernels
    self.pool = pool
    // A learnt position table ends where it ends.
    let learnt = model.positions.map { max(0, $0.rows - architecture.forward.positionOffset) }
    contextTokens = min(workload.contextTokens, learnt ?? .max)
    lengths = [Int](repeating: 0, count: max(1, workload.sequences))
  }

  /// Bytes that this session allocated, beside the weights.
  package var allocatedWithoutWeights: ByteCount { buffers.allocated }

  /// Tokens in the cache of a sequence.
  package func length(sequence: Int = 0) -> Int { lengths[sequence] }

  /// Forgets a sequence's tokens from `length` on.
  package func truncate(to length: Int = 0, sequence: Int = 0) {
    lengths[sequence] = min(lengths[sequence], max(0, length))
  }

  /// Runs tokens behind those in the cache and gives the logits (vocabulary) of the last one.
  ///
  /// The buffer belongs to the session and holds until the next call.
  /// - Throws: `LanguageRuntimeError.contextFull`, `.tokenOutOfRange`.
  @discardableResult
  package func logits(
    after tokens: [Int32], sequence: Int = 0
  ) throws(LanguageRuntimeError) -> UnsafeMutableBufferPointer<Float> {
    let last = try advance(tokens, sequence: sequence)
    return UnsafeMutableBufferPointer(start: transformer.logits(token: last), count: architecture.vocabularySize)
  }

  /// Runs tokens without asking for logits: all of a prompt but its end.
  ///
  /// - Parameter layers: runs only so many layers from the first on, to time a part; the state is then good for nothing
  ///   else.
  package func run(
    _ tokens: [Int32], sequence: Int = 0, layers: Int = .max
  ) throws(LanguageRuntimeError) {
    _ = try advance(tokens, sequence: sequence, layers: layers)
  }

  /// The logits of the last token of the last `run` of one token: the output head alone.
  @discardableResult
  package func headLogits() -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: transformer.logits(token: 0), count: architecture.vocabularySize)
  }

  /// Gives the logits after each of the tokens, one at a time.
  package func forEachLogits(
    of tokens: [Int32], sequence: Int = 0, _ body: (Int, UnsafeMutableBufferPointer<Float>) -> Void
  ) throws(LanguageRuntimeError) {
    try check(tokens, sequence: sequence)
    var done = 0
    for chunk in chunks(of: tokens) {
      transformer.run(chunk, at: lengths[sequence], sequence: sequence)
      lengths[sequence] += chunk.count
      for index in 0..<chunk.count {
        let logits = transformer.logits(token: index)
        body(done + index, UnsafeMutableBufferPointer(start: logits, count: architecture.vocabularySize))
      }
      done += chunk.count
    }
  }

  /// Shows the inputs of every product to `watcher`: (tokens, columns), and the places in the inventory of the matrices.
  ///
  /// Parts of fused tensors are left out, and those that a file stores in another order.
  package func watchProducts(_ watcher: @escaping (_ x: UnsafePointer<Float>, _ tokens: Int, _ tensors: [Int]) -> Void)
  {
    let source = transformer.model.source
    let places = source.inventory.tensors.indices.filter { !source.isReordered(tensor: $0) }.compactMap { index in
      source.bytes(ofTensor: index).baseAddress.map { ($0, index) }
    }
    let tensors = Dictionary(places, uniquingKeysWith: { first, _ in first })
    let rows = source.inventory.tensors.map { Int($0.rows) * Int($0.copies) }
    transformer.watcher = { x, tokens, matrices in
      let seen = matrices.compactMap { matrix in tensors[matrix.address].flatMap { rows[$0] == matrix.rows ? $0 : nil }
      }
      watcher(x, tokens, seen)
    }
  }

  /// The index of the last token within its chunk.
  private func advance(
    _ tokens: [Int32], sequence: Int, layers: Int = .max
  ) throws(LanguageRuntimeError) -> Int {
    try check(tokens, sequence: sequence)
    var last = 0
    for chunk in chunks(of: tokens) {
      transformer.run(chunk, at: lengths[sequence], sequence: sequence, layers: layers)
      lengths[sequence] += chunk.count
      last = chunk.count - 1
    }
    return last
  }

  private func chunks(of tokens: [Int32]) -> [ArraySlice<Int32>] {
    stride(from: 0, to: tokens.count, by: plan.microBatch).map {
      tokens[$0..<min($0 + plan.microBatch, tokens.count)]
    }
  }

  private func check(_ tokens: [Int32], sequence: Int) throws(LanguageRuntimeError) {
    guard lengths[sequence] + tokens.count <= contextTokens else { throw .contextFull(limit: contextTokens) }
    if let stranger = tokens.first(where: { $0 < 0 || Int($0) >= architecture.vocabularySize }) {
      throw .tokenOutOfRange(token: Int(stranger), vocabulary: architecture.vocabularySize)
    }
  }
}
