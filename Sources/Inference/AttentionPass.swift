// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// Attention of a batch of tokens over one layer's caches, split by sequence, by KV head and by groups of tokens.
///
/// Queries that share a KV head go to the kernel together, so that each cached row is decoded once for all of them.
struct AttentionPass: @unchecked Sendable {
  let attention: Attention
  let cache: KVCache
  let layer: Int
  let queries: UnsafeMutablePointer<Float>  // (tokens, heads, width)
  let mixed: UnsafeMutablePointer<Float>  // (tokens, heads, width)
  let scratch: UnsafeMutablePointer<Float>
  let kernels: UnsafePointer<ck_kernels>
  /// Multiplies query · key; then cap · tanh(score / cap), 0 for no cap.
  var scale: Float
  var cap: Float = 0
  /// One more score per head, which takes weight and gives no value.
  var sinks: UnsafePointer<Float>?
  /// What each head's scores lose per position of distance.
  var slopes: [Float]?

  private var headsPerKeyHead: Int { attention.heads / attention.keyValueHeads }

  /// What one thread takes at a time: a run of heads that share a KV head, for consecutive tokens of one sequence.
  private struct Item {
    let part: Batch.Part
    let head: Int
    let heads: Int
    /// The first of the tokens within its part.
    let start: Int
    let tokens: Int
  }

  func run(_ batch: Batch, on pool: ThreadPool) {
    let splits = max(1, min(headsPerKeyHead, pool.active / (attention.keyValueHeads * batch.parts.count)))
    let items = batch.parts.flatMap { part in
      isByToken(part)
        ? (0..<part.tokens.count).flatMap { tokenItems(part, at: $0, splits: splits) } : chunkItems(part)
    }
    pool.forEachChunk(of: items.count, grain: 1) { thread, range in
      for index in range { run(items[index], thread: thread) }
    }
  }

  /// Tokens that the products treat as each alone (`Products.fewTokens`) have the sums of each alone here too.
  private func isByToken(_ part: Batch.Part) -> Bool { part.tokens.count <= Products.fewTokens }

  /// One token: the heads of a group go together, in parts where there are fewer KV heads than threads.
  private func tokenItems(_ part: Batch.Part, at start: Int, splits: Int) -> [Item] {
    let size = (headsPerKeyHead + splits - 1) / splits
    return (0..<attention.keyValueHeads * splits).compactMap { index in
      let head = index % splits * size
      guard head < headsPerKeyHead else { return nil }
      return Item(
        part: part, head: index / splits * headsPerKeyHead + head, heads: min(size, headsPerKeyHead - head),
        start: start, tokens: 1)
    }
  }

  /// Later tokens see more positions: the largest pieces first, so that the last ones to finish are small.
  private func chunkItems(_ part: Batch.Part) -> [Item] {
    let tokens = max(1, RuntimeMemoryPlan.attentionQueries / headsPerKeyHead)
    return stride(from: 0, to: part.tokens.count, by: tokens).reversed().flatMap { start in
      (0..<attention.keyValueHeads).map { group in
        Item(
          part: part, head: group * headsPerKeyHead, heads: headsPerKeyHead, start: start,
          tokens: min(tokens, part.tokens.count - start))
      }
    }
  }

  private func run(_ item: Item, thread: Int) {
    let place = cache.layer(layer, sequence: item.part.sequence)
    let width = attention.keyWidth
    let rowStride = attention.heads * width
    let start = (item.part.row + item.start) * rowStride + item.head * width
    let keyHead = item.head / headsPerKeyHead
    let count = item.heads * item.tokens
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: 2 * count) { limits in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * count) { own in
        fill(limits, own, item, from: place.first)
        var job = ck_attention(
          queries: queries + start, query_stride: rowStride, group: Int64(headsPerKeyHead), count: Int64(count),
          width: Int64(width), keys: place.key(place.first, head: keyHead),
          values: place.value(place.first, head: keyHead),
          position_bytes: place.keyBytes,
          next_bytes: keyHead + 1 < place.heads ? place.rows * place.keyBytes : 0, first: limits.baseAddress,
          last: limits.baseAddress.map { UnsafePointer($0 + count) }, scale: scale, cap: cap,
          sinks: sinks == nil ? nil : UnsafePointer(own.baseAddress),
          slopes: slopes == nil ? nil : own.baseAddress.map { UnsafePointer($0 + count) },
          out: mixed + start, scratch: scratch + thread * plannedScratchFloats(width: width))
        run(&job)
      }
    }
  }

  /// What each query sees: first and last rows, of those that begin at a position; its head's sink and slope.
  private func fill(
    _ limits: UnsafeMutableBufferPointer<Int64>, _ own: UnsafeMutableBufferPointer<Float>, _ item: Item,
    from first: Int
  ) {
    let count = item.heads * item.tokens
    for i in 0..<count {
      let position = item.part.first + item.start + i / item.heads
      let head = item.head + i % item.heads
      limits[i] = Int64((attention.window.map { max(0, position + 1 - $0) } ?? 0) - first)
      limits[count + i] = Int64(position + 1 - first)
      own[i] = sinks.map { $0[head] } ?? 0
      own[count + i] = slopes.map { $0[head] } ?? 0
    }
  }

  private func run(_ job: inout ck_attention) {
    switch cache.format {
    case .f16: kernels.pointee.attention_f16(&job)
    case .q8_0: kernels.pointee.attention_q8_0(&job)
    default: kernels.pointee.attention_f32(&job)
    }
  }

  private func plannedScratchFloats(width: Int) -> Int {
    RuntimeMemoryPlan.attentionFloats(
      queries: max(RuntimeMemoryPlan.attentionQueries, headsPerKeyHead), width: width)
  }
}
