// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// One vector in every form that its matrices read, in the plan's buffer.
struct QuantizedInput {
  private let layout: QuantizedInputLayout
  private let base: UnsafeMutableRawPointer

  init(buffer: MemorySlab, widest: Int) {
    layout = QuantizedInputLayout(columns: widest)
    base = buffer.address
  }

  /// Makes the forms that `matrices` want of `x` (columns) and gives them to the kernels.
  func prepare(
    _ x: UnsafePointer<Float>, columns: Int, for matrices: [PreparedMatrix], row: UnsafePointer<ck_kernels>
  ) -> ck_activations {
    let q32 = base.assumingMemoryBound(to: Int8.self)
    let d32 = (base + layout.scales32).assumingMemoryBound(to: Float.self)
    let s32 = (base + layout.sums32).assumingMemoryBound(to: Float.self)
    let q256 = (base + layout.values256).assumingMemoryBound(to: Int8.self)
    let d256 = (base + layout.scales256).assumingMemoryBound(to: Float.self)
    let sums256 = (base + layout.sums256).assumingMemoryBound(to: Int16.self)
    if matrices.contains(where: { $0.input == CK_INPUT_BLOCKS_32 }) {
      row.pointee.quantize_32(x, Int64(columns), q32, d32, s32)
    }
    if matrices.contains(where: { $0.input == CK_INPUT_BLOCKS_256 }) {
      row.pointee.quantize_256(x, Int64(columns), q256, d256, sums256)
    }
    return ck_activations(f32: x, q32: q32, d32: d32, s32: s32, q256: q256, d256: d256, sums256: sums256)
  }
}

/// Matrix products on the pool: the only callers of the product kernels.
///
/// The calibration measures through this type too, so that its rates are those of the forward pass.
package struct Products: @unchecked Sendable {
  let kernels: KernelSet
  let pool: ThreadPool
  let quantized: QuantizedInput
  let packed: UnsafeMutablePointer<Float>
  let scratch: UnsafeMutablePointer<Float>
  /// Jobs start and join but multiply nothing: a pass then takes what everything else takes.
  let isIdle: Bool

  init(kernels: KernelSet, pool: ThreadPool, buffers: RuntimeBuffers, widest: Int, isIdle: Bool = false) {
    self.isIdle = isIdle
    self.kernels = kernels
    self.pool = pool
    quantized = QuantizedInput(buffer: buffers.slab(.quantizedInput), widest: widest)
    packed = buffers.floats(.packedInput)
    scratch = buffers.floats(.gemmScratch)
  }

  /// Several matrices times one vector in a single job: rows are numbered through, so that no thread waits in between.
  func multiply(
    _ x: UnsafePointer<Float>, by matrices: [PreparedMatrix], into outputs: [UnsafeMutablePointer<Float>]
  ) {
    guard let columns = matrices.first?.columns else { return }
    let activations = quantized.prepare(x, columns: columns, for: matrices, row: kernels.row)
    let total = matrices.reduce(0) { $0 + $1.rows }
    // Chunks are whole groups of rows, small enough that the last one to finish keeps nobody waiting long.
    let grain = max(16, total / (pool.count * 8) / 16 * 16)
    pool.forEachChunk(of: total, grain: grain) { _, range in
      guard !isIdle else { return }
      var start = 0
      for (matrix, output) in zip(matrices, outputs) {
        let first = max(range.lowerBound - start, 0)
        let end = min(range.upperBound - start, matrix.rows)
        if first < end {
          withUnsafePointer(to: activations) { activations in
            ck_run_matvec(
              kernels.row, matrix.type, matrix.address, matrix.rowBytes, activations, output, Int64(first),
              Int64(end), Int64(matrix.columns))
          }
        }
        start += matrix.rows
        if start >= range.upperBound { return }
      }
    }
  }

  /// Matrices times many vectors.
  ///
  /// - Shapes: x (tokens, columns), each output (tokens, rows of its matrix).
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrices: [PreparedMatrix],
    into outputs: [UnsafeMutablePointer<Float>]
  ) {
    guard let columns = matrices.first?.columns else { return }
    var isPacked = false
    for (matrix, output) in zip(matrices, outputs) {
      if let library = kernels.openBLAS, matrix.type == CK_F32.rawValue {
        multiply(x, tokens: tokens, by: matrix, into: output, with: library)
        continue
      }
      if !isPacked { pack(x, tokens: tokens, columns: columns) }
      isPacked = true
      multiplyPacked(tokens: tokens, by: matrix, into: output)
    }
  }

  private func pack(_ x: UnsafePointer<Float>, tokens: Int, columns: Int) {
    let group = Int(kernels.row.pointee.token_group)
    pool.forEachChunk(of: (tokens + group - 1) / group, grain: 4) { _, groups in
      kernels.row.pointee.pack(
        x, Int64(columns), Int64(tokens), Int64(columns), packed, Int64(groups.lowerBound), Int64(groups.upperBound))
    }
  }

  private func multiplyPacked(tokens: Int, by matrix: PreparedMatrix, into output: UnsafeMutablePointer<Float>) {
    let step = Int(ck_gemm_row_step(kernels.row))
    let panels = max(1, matrix.rows / (pool.count * 4) / step)
    pool.forEachChunk(of: matrix.rows, grain: panels * step) { thread, rows in
      guard !isIdle else { return }
      var job = ck_gemm(
        weights: matrix.address, row_bytes: matrix.rowBytes, decode: ck_decoder_of(kernels.row, matrix.type),
        packed: packed, tokens: Int64(tokens), columns: Int64(matrix.columns), y: output, y_stride: Int64(matrix.rows),
        scratch: scratch + thread * RuntimeMemoryPlan.gemmScratchFloats,
        block_elements: ck_block_elements(matrix.type), block_bytes: ck_block_bytes(matrix.type))
      kernels.row.pointee.gemm(&job, Int64(rows.lowerBound), Int64(rows.upperBound))
    }
  }

  private func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrix: PreparedMatrix, into output: UnsafeMutablePointer<Float>,
    with library: OpenBLAS
  ) {
    let weights = matrix.address.assumingMemoryBound(to: Float.self)
    let grain = (matrix.rows + pool.count - 1) / pool.count
    pool.forEachChunk(of: matrix.rows, grain: grain) { _, rows in
      library.multiply(
        x: x, tokens: tokens, columns: matrix.columns, weights: weights + rows.lowerBound * matrix.columns,
        rows: rows.count, y: output + rows.lowerBound, yStride: matrix.rows)
    }
  }
}
