// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// One vector in the forms that its matrices read.
struct VectorInput {
  /// For rows in the file's order.
  let blocks: ck_activations
  /// For interleaved rows of integers.
  let records: UnsafePointer<Int32>
}

/// Where those of one vector are made, in the plan's buffer.
struct QuantizedInput {
  private let layout: QuantizedInputLayout
  private let base: UnsafeMutableRawPointer

  init(buffer: MemorySlab, widest: Int) {
    layout = QuantizedInputLayout(columns: widest)
    base = buffer.address
  }

  private var records: UnsafeMutablePointer<Int32> { (base + layout.records).assumingMemoryBound(to: Int32.self) }

  /// Makes the forms that `parts` want of `x` (columns).
  func prepare(
    _ x: UnsafePointer<Float>, columns: Int, for parts: [ProductPart], row: UnsafePointer<ck_kernels>
  ) -> VectorInput {
    let q32 = base.assumingMemoryBound(to: Int8.self)
    let d32 = (base + layout.scales32).assumingMemoryBound(to: Float.self)
    let s32 = (base + layout.sums32).assumingMemoryBound(to: Float.self)
    let q256 = (base + layout.values256).assumingMemoryBound(to: Int8.self)
    let d256 = (base + layout.scales256).assumingMemoryBound(to: Float.self)
    let sums256 = (base + layout.sums256).assumingMemoryBound(to: Int16.self)
    func isRead(_ input: ck_input) -> Bool { parts.contains { $0.matvecInput(row) == input } }
    if isRead(CK_INPUT_RECORDS) { row.pointee.make_records(x, Int64(columns), 1, Int64(columns), 1, records, 0, 1) }
    if isRead(CK_INPUT_BLOCKS_32) { row.pointee.quantize_32(x, Int64(columns), q32, d32, s32) }
    if isRead(CK_INPUT_BLOCKS_256) { row.pointee.quantize_256(x, Int64(columns), q256, d256, sums256) }
    let blocks = ck_activations(f32: x, q32: q32, d32: d32, s32: s32, q256: q256, d256: d256, sums256: sums256)
    return VectorInput(blocks: blocks, records: records)
  }
}
