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
    let splits = max(1, min(headsPerKeyHead, pool.count / (attention.keyValueHeads * batch.parts.count)))
    let items = batch.parts.flatMap { part in
      isByToken(part)
        ? (0..<part.tokens.count).flatMap { tokenItems(part, at: $0, splits: splits) } : chunkItems(part)
    }
    pool.forEachChunk(of: items.count, grain: 1) { thread, range in
      for index in range { run(items[index], thread: thread) }
    }
  }

  /// The tiles of a window begin where it begins: tokens whose sums shall be those of each alone run alone.
  private func isByToken(_ part: Batch.Part) -> Bool {
    part.tokens.count == 1 || attention.window != nil && part.tokens.count <= Products.fewTokens
  }

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
    let starts = stride(from: 0, to: part.tokens.count, by: RuntimeMemoryPlan.attentionTokens).reversed()
    return starts.flatMap { start in
      (0..<attention.keyValueHeads).map { group in
        Item(
          part: part, head: group * headsPerKeyHead, heads: headsPerKeyHead, start: start,
          tokens: min(RuntimeMemoryPlan.attentionTokens, part.tokens.count - start))
      }
    }
  }

  /// The kernel takes several heads of one token, or one head of several tokens.
  private func run(_ item: Item, thread: Int) {
    let place = cache.layer(layer, sequence: item.part.sequence)
    let row = item.part.row + item.start
    let first = item.part.first + item.start
    if item.tokens == 1 {
      attend(head: item.head, heads: item.heads, row: row, tokens: 1, at: first, place, thread: thread)
    } else {
      for head in item.head..<item.head + item.heads {
        attend(head: head, heads: 1, row: row, tokens: item.tokens, at: first, place, thread: thread)
      }
    }
  }

  private func attend(
    head: Int, heads: Int, row: Int, tokens: Int, at first: Int, _ place: KVCache.Layer, thread: Int
  ) {
    let width = attention.keyWidth
    let rowStride = attention.heads * width
    let many = heads * tokens
    let headOffset = head / headsPerKeyHead * (place.keyPositionBytes / attention.keyValueHeads)
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: 2 * many) { limits in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * many) { own in
        for i in 0..<many {
          let position = first + (tokens == 1 ? 0 : i)
          limits[i] = Int64(attention.window.map { max(0, position + 1 - $0) } ?? 0)
          limits[many + i] = Int64(position + 1)
          let ownHead = head + (tokens == 1 ? i : 0)
          own[i] = sinks.map { $0[ownHead] } ?? 0
          own[many + i] = slopes.map { $0[ownHead] } ?? 0
        }
        var job = ck_attention(
          queries: queries + row * rowStride + head * width, query_stride: tokens == 1 ? width : rowStride,
          count: Int64(many), width: Int64(width), keys: place.keys + headOffset, values: place.values + headOffset,
          position_bytes: place.keyPositionBytes, first: limits.baseAddress,
          last: limits.baseAddress.map { UnsafePointer($0 + many) }, scale: scale, cap: cap,
          sinks: sinks == nil ? nil : UnsafePointer(own.baseAddress),
          slopes: slopes == nil ? nil : own.baseAddress.map { UnsafePointer($0 + many) },
          out: mixed + row * rowStride + head * width,
          scratch: scratch + thread * plannedScratchFloats(width: width))
        run(&job)
      }
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
    let queries = headsPerKeyHead * RuntimeMemoryPlan.attentionTokens
    return queries * (RuntimeMemoryPlan.attentionTile + RuntimeMemoryPlan.attentionStateFloats)
      + RuntimeMemoryPlan.attentionTile * width
  }
}
