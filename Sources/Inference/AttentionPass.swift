// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// Attention of a chunk of tokens over one layer's cache, split by KV head and by groups of tokens.
///
/// Queries that share a KV head go to the kernel together, so that each cached row is decoded once for all of them.
struct AttentionPass: @unchecked Sendable {
  let attention: Attention
  let cache: KVCache
  let place: KVCache.Layer
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

  func run(tokens: Int, at first: Int, on pool: ThreadPool) {
    if tokens == 1 { runToken(at: first, on: pool) } else { runChunk(tokens: tokens, at: first, on: pool) }
  }

  /// One token: the heads of a group go together, in parts where there are fewer KV heads than threads.
  private func runToken(at position: Int, on pool: ThreadPool) {
    let parts = max(1, min(headsPerKeyHead, pool.count / attention.keyValueHeads))
    let size = (headsPerKeyHead + parts - 1) / parts
    pool.forEachChunk(of: attention.keyValueHeads * parts, grain: 1) { thread, items in
      for item in items {
        let group = item / parts * headsPerKeyHead
        let head = item % parts * size
        let count = min(size, headsPerKeyHead - head)
        if count > 0 { attend(head: group + head, heads: count, start: 0, tokens: 1, at: position, thread: thread) }
      }
    }
  }

  private func runChunk(tokens: Int, at first: Int, on pool: ThreadPool) {
    let groups = (tokens + RuntimeMemoryPlan.attentionTokens - 1) / RuntimeMemoryPlan.attentionTokens
    pool.forEachChunk(of: attention.keyValueHeads * groups, grain: 1) { thread, items in
      for item in items {
        // Later tokens see more positions: the largest pieces first, so that the last ones to finish are small.
        let start = (groups - 1 - item / attention.keyValueHeads) * RuntimeMemoryPlan.attentionTokens
        let count = min(RuntimeMemoryPlan.attentionTokens, tokens - start)
        for head in 0..<headsPerKeyHead {
          attend(
            head: item % attention.keyValueHeads * headsPerKeyHead + head, heads: 1, start: start, tokens: count,
            at: first, thread: thread)
        }
      }
    }
  }

  /// Several heads of one token, or one head of several tokens.
  private func attend(head: Int, heads: Int, start: Int, tokens: Int, at first: Int, thread: Int) {
    let width = attention.keyWidth
    let rowStride = attention.heads * width
    let many = heads * tokens
    let headOffset = head / headsPerKeyHead * (place.keyPositionBytes / attention.keyValueHeads)
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: 2 * many) { limits in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * many) { own in
        for i in 0..<many {
          let position = first + start + (tokens == 1 ? 0 : i)
          limits[i] = Int64(attention.window.map { max(0, position + 1 - $0) } ?? 0)
          limits[many + i] = Int64(position + 1)
          let ownHead = head + (tokens == 1 ? i : 0)
          own[i] = sinks.map { $0[ownHead] } ?? 0
          own[many + i] = slopes.map { $0[ownHead] } ?? 0
        }
        var job = ck_attention(
          queries: queries + start * rowStride + head * width, query_stride: tokens == 1 ? width : rowStride,
          count: Int64(many), width: Int64(width), keys: place.keys + headOffset, values: place.values + headOffset,
          position_bytes: place.keyPositionBytes, first: limits.baseAddress,
          last: limits.baseAddress.map { UnsafePointer($0 + many) }, scale: scale, cap: cap,
          sinks: sinks == nil ? nil : UnsafePointer(own.baseAddress),
          slopes: slopes == nil ? nil : own.baseAddress.map { UnsafePointer($0 + many) },
          out: mixed + start * rowStride + head * width,
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
