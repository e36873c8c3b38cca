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
  let transformer: Transformer
  let buffers: RuntimeBuffers
  /// The copy of the file's matrices in interleaved rows; nil where there is none.
  private let repacked: InterleavedWeights?
  /// The tokens in each sequence's cache.
  var histories: [[Int32]]
  /// How many of each sequence's first tokens have rows as if they alone had run: all, before a shift.
  var unshifted: [Int]
  /// Names the weights; see `PromptCache`.
  let weightsDigest: String
  /// Rows of the last pass whose logits are asked for.
  private var lastRows = [0]
  /// Positions that one sequence may take.
  package let contextTokens: Int

  /// Checks the model, allocates the plan's buffers and prepares the weights.
  ///
  /// - Parameters:
  ///   - productsAreIdle: leaves out products and attention, to time everything else.
  ///   - defersPanels: starts from the weights as they lie in the file and makes panels of them between passes: logits are
  ///     the same, the first ones come sooner, and the passes behind them take longer.
  /// - Throws: `LanguageRuntimeError` before anything is allocated when the model cannot run.
  package init(
    architecture: ModelArchitecture, weights: any WeightSource, workload: Workload, kernels: KernelSet,
    pool: ThreadPool, productsAreIdle: Bool = false, defersPanels: Bool = false
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
    weightsDigest = Self.digest(of: weights)
    let ready = try InterleavedWeights.repacking(
      ordered, of: architecture, for: kernels, on: pool, isDeferred: defersPanels)
    repacked = ready as? InterleavedWeights
    let model = try PreparedModel(
      architecture: architecture, source: ready, kernels: kernels, vectors: buffers.room(.vectors))
    products = Products(
      kernels: kernels, pool: pool, buffers: buffers, widest: shape.widestInput, isIdle: productsAreIdle)
    transformer = Transformer(
      model: model, products: products,
      cache: KVCache(format: workload.keyValueFormat, buffers: buffers), shape: shape,
      contextTokens: workload.contextTokens, buffers: buffers)
    self.architecture = architecture
    self.kernels = kernels
    self.pool = pool
    // A learnt position table ends where it ends.
    let learnt = model.positions.map { max(0, $0.rows - architecture.forward.positionOffset) }
    contextTokens = min(workload.contextTokens, learnt ?? .max)
    histories = [[Int32]](repeating: [], count: max(1, workload.sequences))
    unshifted = histories.map { _ in .max }
  }

  /// What the copy of the file's matrices in interleaved rows takes; zero where there is none.
  package var repackedBytes: ByteCount { repacked?.allocated ?? .zero }

  /// Bytes that this session allocated, beside the weights.
  package var allocatedWithoutWeights: ByteCount { buffers.allocated }

  /// Tokens in the cache of a sequence.
  package func length(sequence: Int = 0) -> Int { histories[sequence].count }

  /// Forgets a sequence's tokens from `length` on; all of them where a layer's window has left behind what the next token
  /// would see. Tokens of the last pass can always be forgotten.
  ///
  /// - Returns: how many tokens are left.
  @discardableResult
  package func truncate(to length: Int = 0, sequence: Int = 0) -> Int {
    let kept = reachable(length, sequence: sequence)
    histories[sequence].removeLast(histories[sequence].count - kept)
    if kept <= unshifted[sequence] { unshifted[sequence] = .max }
    return kept
  }

  /// The most tokens, at most `length`, from which a sequence can go on: so many or none.
  func reachable(_ length: Int, sequence: Int) -> Int {
    let kept = min(max(0, length), histories[sequence].count)
    return transformer.cache.canGoBack(to: kept, sequence: sequence) ? kept : 0
  }

  /// Sequences that the session has caches for.
  package var sequences: Int { histories.count }

  /// Runs tokens behind those in the cache and gives the logits (vocabulary) of the last one.
  ///
  /// The buffer belongs to the session and holds until the next call.
  /// - Throws: `LanguageRuntimeError.contextFull`, `.tokenOutOfRange`.
  @discardableResult
  package func logits(
    after tokens: [Int32], sequence: Int = 0
  ) throws(LanguageRuntimeError) -> UnsafeMutableBufferPointer<Float> {
    try run(tokens, sequence: sequence)
    return headLogits()[0]
  }

  /// Runs tokens behind those in the cache and gives the logits (vocabulary) of the last `rows` of them.
  ///
  /// - Precondition: the plan has room for as many logits (`RuntimeMemoryPlan.logitRows`).
  /// - Throws: `LanguageRuntimeError.contextFull`, `.tokenOutOfRange`.
  package func logits(
    after tokens: [Int32], rows: Int
  ) throws(LanguageRuntimeError) -> [UnsafeMutableBufferPointer<Float>] {
    try check(tokens, sequence: 0)
    // Those that are asked for share the last pass.
    let ahead = tokens.count - min(tokens.count, max(rows, (tokens.count - 1) % plan.microBatch + 1))
    for chunk in chunks(of: tokens[..<ahead]) { run(Batch(chunk, at: length(), of: 0)) }
    let rest = tokens[ahead...]
    run(Batch(rest, at: length(), of: 0))
    lastRows = Array(rest.count - rows..<rest.count)
    return headLogits()
  }

  /// Runs tokens without asking for logits: all of a prompt but its end.
  ///
  /// - Parameter layers: runs only so many layers from the first on, to time a part; the state is then good for nothing
  ///   else.
  package func run(
    _ tokens: [Int32], sequence: Int = 0, layers: Int = .max
  ) throws(LanguageRuntimeError) {
    try run([(sequence, tokens)], layers: layers)
  }

  /// Runs tokens of several sequences together, each behind those in its own cache, and gives the logits (vocabulary)
  /// of the last one of each.
  ///
  /// One reading of the weights serves all of them. The buffers hold until the next call.
  /// - Precondition: a sequence stands in the list once, with at least one token.
  /// - Throws: `LanguageRuntimeError.contextFull`, `.tokenOutOfRange`.
  @discardableResult
  package func logits(
    after inputs: [(sequence: Int, tokens: [Int32])]
  ) throws(LanguageRuntimeError) -> [UnsafeMutableBufferPointer<Float>] {
    try run(inputs)
    return headLogits()
  }

  /// Runs tokens of several sequences together without asking for logits.
  package func run(
    _ inputs: [(sequence: Int, tokens: [Int32])], layers: Int = .max
  ) throws(LanguageRuntimeError) {
    for (sequence, tokens) in inputs { try check(tokens, sequence: sequence) }
    let fits = inputs.reduce(0) { $0 + $1.tokens.count } <= plan.microBatch
    var batch = Batch()
    for (sequence, tokens) in inputs {
      // What does not fit into one pass runs ahead, so that all sequences end in the last one.
      let own = inputs.count == 1 ? plan.microBatch : 1
      let ahead = fits ? 0 : (tokens.count - 1) / own * own
      for chunk in chunks(of: tokens[..<ahead]) {
        run(Batch(chunk, at: length(sequence: sequence), of: sequence), layers)
      }
      batch.append(tokens[ahead...], at: length(sequence: sequence), of: sequence)
    }
    run(batch, layers)
  }

  private func run(_ batch: Batch, _ layers: Int = .max) {
    guard batch.rows > 0 else { return }
    repacked?.beforePass(ofRows: batch.rows, on: pool)
    transformer.run(batch, layers: layers)
    for part in batch.parts { histories[part.sequence] += part.tokens }
    lastRows = batch.parts.map(\.lastRow)
  }

  /// The logits after the last token of each sequence of the last pass: the output head alone.
  @discardableResult
  package func headLogits() -> [UnsafeMutableBufferPointer<Float>] {
    let logits = transformer.logits(rows: lastRows)
    let count = architecture.vocabularySize
    return lastRows.indices.map { UnsafeMutableBufferPointer(start: logits + $0 * count, count: count) }
  }

  /// Gives the logits after each of the tokens, one at a time.
  package func forEachLogits(
    of tokens: [Int32], sequence: Int = 0, _ body: (Int, UnsafeMutableBufferPointer<Float>) -> Void
  ) throws(LanguageRuntimeError) {
    try check(tokens, sequence: sequence)
    var done = 0
    for chunk in chunks(of: tokens[...]) {
      run(Batch(chunk, at: length(sequence: sequence), of: sequence))
      for start in stride(from: 0, to: chunk.count, by: plan.logitRows) {
        lastRows = Array(start..<min(start + plan.logitRows, chunk.count))
        for (index, logits) in headLogits().enumerated() { body(done + start + index, logits) }
      }
      done += chunk.count
    }
  }

  /// Shows the inputs of every product to `watcher`: (tokens, columns), and the places in the inventory of the matrices.
  ///
  /// A fused matrix is shown with its first part; the experts of a stack are left out, and tensors that a file stores in
  /// another order.
  package func watchProducts(_ watcher: @escaping (_ x: UnsafePointer<Float>, _ tokens: Int, _ tensors: [Int]) -> Void)
  {
    let source = transformer.model.source
    let places = source.inventory.tensors.indices.filter { !source.isReordered(tensor: $0) }.compactMap { index in
      source.bytes(ofTensor: index).baseAddress.map { ($0, index) }
    }
    let tensors = Dictionary(places, uniquingKeysWith: { first, _ in first })
    let isWhole = source.inventory.tensors.map { $0.copies == 1 }
    transformer.watcher = { x, tokens, matrices in
      let seen = matrices.compactMap { matrix in tensors[matrix.address].flatMap { isWhole[$0] ? $0 : nil } }
      watcher(x, tokens, seen)
    }
  }

  private func chunks(of tokens: ArraySlice<Int32>) -> [ArraySlice<Int32>] {
    stride(from: tokens.startIndex, to: tokens.endIndex, by: plan.microBatch).map {
      tokens[$0..<min($0 + plan.microBatch, tokens.endIndex)]
    }
  }

  private func check(_ tokens: [Int32], sequence: Int) throws(LanguageRuntimeError) {
    guard length(sequence: sequence) + tokens.count <= contextTokens else { throw .contextFull(limit: contextTokens) }
    if let stranger = tokens.first(where: { $0 < 0 || Int($0) >= architecture.vocabularySize }) {
      throw .tokenOutOfRange(token: Int(stranger), vocabulary: architecture.vocabularySize)
    }
  }
}
