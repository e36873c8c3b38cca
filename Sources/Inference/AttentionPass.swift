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

  private var headsPerKeyHead: Int { attention.heads / attention.keyValueHeads }

  func run(tokens: Int, at first: Int, on pool: ThreadPool) {
    let groups = (tokens + RuntimeMemoryPlan.attentionTokens - 1) / RuntimeMemoryPlan.attentionTokens
    pool.forEachChunk(of: attention.keyValueHeads * groups, grain: 1) { thread, items in
      for item in items {
        // Later tokens see more positions: the largest pieces first, so that the last ones to finish are small.
        let start = (groups - 1 - item / attention.keyValueHeads) * RuntimeMemoryPlan.attentionTokens
        let count = min(RuntimeMemoryPlan.attentionTokens, tokens - start)
        for head in 0..<headsPerKeyHead {
          run(
            head: item % attention.keyValueHeads * headsPerKeyHead + head, start: start, count: count, at: first,
            thread: thread)
        }
      }
    }
  }

  /// One query head of `count` tokens; for a single token all heads of the group go together instead.
  private func run(head: Int, start: Int, count: Int, at first: Int, thread: Int) {
    let isFirstOfGroup = head % headsPerKeyHead == 0
    guard count > 1 || isFirstOfGroup else { return }
    let width = attention.keyWidth
    let rowStride = attention.heads * width
    let many = count == 1 ? headsPerKeyHead : count
    let keyHead = head / headsPerKeyHead
    let headBytes = place.keyPositionBytes / attention.keyValueHeads
    let floats = plannedScratchFloats(width: width)
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: 2 * many) { limits in
      for i in 0..<many {
        let position = first + start + (count == 1 ? 0 : i)
        limits[i] = Int64(attention.window.map { max(0, position + 1 - $0) } ?? 0)
        limits[many + i] = Int64(position + 1)
      }
      var job = ck_attention(
        queries: queries + start * rowStride + head * width, query_stride: count == 1 ? width : rowStride,
        count: Int64(many), width: Int64(width), keys: place.keys + keyHead * headBytes,
        values: place.values + keyHead * headBytes, position_bytes: place.keyPositionBytes,
        first: limits.baseAddress, last: limits.baseAddress.map { UnsafePointer($0 + many) },
        scale: 1 / Float(width).squareRoot(), out: mixed + start * rowStride + head * width,
        scratch: scratch + thread * floats)
      switch cache.format {
      case .f16: kernels.pointee.attention_f16(&job)
      case .q8_0: kernels.pointee.attention_q8_0(&job)
      default: kernels.pointee.attention_f32(&job)
      }
    }
  }

  private func plannedScratchFloats(width: Int) -> Int {
    let queries = headsPerKeyHead * RuntimeMemoryPlan.attentionTokens
    return queries * (RuntimeMemoryPlan.attentionTile + RuntimeMemoryPlan.attentionStateFloats)
      + RuntimeMemoryPlan.attentionTile * width
  }
}
