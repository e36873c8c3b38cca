// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// Matrix products on the pool: the only callers of the product kernels.
///
/// The calibration measures through this type too, so that its rates are those of the forward pass.
package final class Products: @unchecked Sendable {
  let kernels: KernelSet
  let pool: ThreadPool
  let quantized: QuantizedInput
  let packed: UnsafeMutablePointer<Float>
  let scratch: UnsafeMutablePointer<Float>
  /// Room for an input in the order of a matrix's columns, or without its outliers, where the plan has such matrices.
  let ordered: UnsafeMutablePointer<Float>?
  /// Jobs start and join, but multiply nothing and convert no input: a pass then takes what everything else takes.
  let isIdle: Bool

  init(kernels: KernelSet, pool: ThreadPool, buffers: RuntimeBuffers, widest: Int, isIdle: Bool = false) {
    self.isIdle = isIdle
    self.kernels = kernels
    self.pool = pool
    quantized = QuantizedInput(buffer: buffers.slab(.quantizedInput), widest: widest)
    packed = buffers.floats(.packedInput)
    scratch = buffers.floats(.gemmScratch)
    ordered = buffers.floats(ifPlanned: .orderedInput)
  }

  /// Matrices times one vector, a few, or many: each count has its kernels.
  ///
  /// - Shapes: x (tokens, columns), each output (tokens, rows of its matrix).
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrices: [PreparedMatrix],
    into outputs: [UnsafeMutablePointer<Float>]
  ) {
    if matrices.contains(where: { $0.inputOrder != nil }) {
      return forEachOrder(x, tokens: tokens, matrices, outputs) { multiply($0, tokens: tokens, by: [$1], into: [$2]) }
    }
    if matrices.contains(where: \.splitsOutliers) { return multiplyApart(x, tokens: tokens, matrices, outputs) }
    guard let columns = matrices.first?.columns else { return }
    let parts = ProductPart.parts(matrices, outputs)
    if tokens == 1 { return multiplyOne(x, columns: columns, parts) }
    let isFew = tokens <= Self.fewTokens && kernels.multipliesFew
    let few = parts.filter { isFew && $0.hasFew }
    multiplyFew(x, tokens: tokens, columns: columns, few)
    multiplyMany(x, tokens: tokens, columns: columns, parts.filter { !(isFew && $0.hasFew) })
  }

  /// More tokens than this are multiplied faster by blocked kernels, which unpack weights for all of them.
  static let fewTokens = ThreadCounts.fewRows

  private func multiplyOne(_ x: UnsafePointer<Float>, columns: Int, _ parts: [ProductPart]) {
    let input = prepare(x, columns: columns, for: parts)
    forEachPiece(of: parts) { part, rows in multiply(part, rows: rows, input) }
  }

  /// One vector in the forms that `parts` read.
  func prepare(_ x: UnsafePointer<Float>, columns: Int, for parts: [ProductPart]) -> VectorInput {
    let conversion = pool.clock?.begin()
    defer { if let conversion { pool.clock?.end(.conversion, conversion) } }
    return quantized.prepare(x, columns: columns, for: isIdle ? [] : parts, row: kernels.row)
  }

  /// Makes another form of an input, on the clock's account of that.
  func convert(_ body: () -> Void) {
    guard !isIdle else { return }
    let conversion = pool.clock?.begin()
    body()
    if let conversion { pool.clock?.end(.conversion, conversion) }
  }

  /// Panels that are unpacked once for all of a few tokens, whose sums are those of one token alone.
  private func multiplyFew(_ x: UnsafePointer<Float>, tokens: Int, columns: Int, _ parts: [ProductPart]) {
    guard !parts.isEmpty else { return }
    if parts.contains(where: { $0.fewInput == CK_INPUT_RECORDS }) {
      convert { makeRecords(x, tokens: tokens, columns: columns, group: Int(ck_few_group(Int64(tokens)))) }
    }
    forEachPiece(of: parts) { part, rows in
      let matrix = part.matrix
      let input = part.fewInput == CK_INPUT_F32 ? UnsafeRawPointer(x) : UnsafeRawPointer(packed)
      let job = ck_panel_job(
        type: matrix.type, panels: nil, input: input, tokens: Int64(tokens),
        columns: Int64(matrix.columns), y: part.output, y_stride: Int64(matrix.rows), scratch: nil, adds: 0,
        gate: nil, gated: nil)
      run(kernels.row.pointee.panel_few, job, over: rows, of: part)
    }
  }

  /// Calls `body` for runs of rows in a single job, so that no thread waits between two matrices. On several
  /// NUMA nodes a thread's rows are those that it put into panels (`InterleavedWeights`), but for what it helps with.
  func forEachPiece(of parts: [ProductPart], _ body: (_ part: ProductPart, _ rows: Range<Int>) -> Void) {
    let lists = parts.map(\.pieces)
    let least = leastPieces(rowBytes: parts.first?.matrix.rowBytes ?? 1)
    pool.forEachPiece(of: lists, size: ChunkSize(least: least)) { _, list, pieces in
      guard !isIdle else { return }
      let part = parts[list]
      let first = part.rows.lowerBound + pieces.lowerBound * Interleaving.panelRows
      let end = part.rows.lowerBound + pieces.upperBound * Interleaving.panelRows
      body(part, first..<min(end, part.rows.upperBound))
    }
  }

  /// Pieces that a thread takes at the end of its run: so few that the last one to finish keeps nobody waiting long.
  func leastPieces(rowBytes: Int, rows: Int = Interleaving.panelRows) -> Int {
    max(1, Self.leastBytes / (rowBytes * rows))
  }
  private static let leastBytes = 32 << 10

  func multiply(_ part: ProductPart, rows: Range<Int>, _ vector: VectorInput) {
    let matrix = part.matrix
    if part.isInterleaved {
      let isFloat = ck_panel_input(matrix.type) == CK_INPUT_F32
      let job = ck_panel_job(
        type: matrix.type, panels: nil,
        input: isFloat ? UnsafeRawPointer(vector.blocks.f32) : UnsafeRawPointer(vector.records), tokens: 1,
        columns: Int64(matrix.columns), y: part.output, y_stride: Int64(matrix.rows), scratch: nil, adds: 0,
        gate: nil, gated: nil)
      run(kernels.row.pointee.panel_matvec, job, over: rows, of: part)
    } else {
      withUnsafePointer(to: vector.blocks) { blocks in
        ck_run_matvec(
          kernels.row, matrix.type, matrix.address, matrix.rowBytes, blocks, part.output, Int64(rows.lowerBound),
          Int64(rows.upperBound), Int64(matrix.columns))
      }
    }
  }

  typealias PanelKernel = @convention(c) (UnsafePointer<ck_panel_job>?, Int64, Int64) -> Void

  /// Runs a kernel over rows of a part's panels, or over one panel after the other where these rows are in the file's
  /// order: each is made for this product alone, in the nearest cache, and multiplied as if it had lain there.
  func run(
    _ kernel: PanelKernel?, _ job: ck_panel_job, over rows: Range<Int>, of part: ProductPart, gate: Gate? = nil
  ) {
    var job = job
    let matrix = part.matrix
    job.gated = gate?.tiles
    if let panels = matrix.panels, gate == nil || gate?.matrix.panels != nil {
      job.panels = panels
      job.gate = gate?.matrix.panels
      kernel?(&job, Int64(rows.lowerBound), Int64(rows.upperBound))
      return
    }
    let panelRows = Interleaving.panelRows
    let bytes = panelRows * matrix.rowBytes
    withUnsafeTemporaryAllocation(byteCount: 2 * bytes, alignment: 64) { room in
      guard let room = room.baseAddress else { return }
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: panelRows) {
        // As if the panel lay behind those before it.
        job.panels = panel(of: matrix, at: first, in: room) - first * matrix.rowBytes
        job.gate = gate.map { panel(of: $0.matrix, at: first, in: room + bytes) - first * matrix.rowBytes }
        kernel?(&job, Int64(first), Int64(first + panelRows))
      }
    }
  }

  /// Sixteen rows where they lie as a panel, or made to one in `room`.
  private func panel(
    of matrix: PreparedMatrix, at row: Int, in room: UnsafeMutableRawPointer
  ) -> UnsafeRawPointer {
    if let panels = matrix.panels { return panels + row * matrix.rowBytes }
    let blocks = Int64(matrix.columns) / ck_block_elements(matrix.type)
    ck_interleave(matrix.type, matrix.address + row * matrix.rowBytes, blocks, room)
    return UnsafeRawPointer(room)
  }

  /// Each matrix by itself, with the input in the order of its columns.
  private func forEachOrder(
    _ x: UnsafePointer<Float>, tokens: Int, _ matrices: [PreparedMatrix], _ outputs: [UnsafeMutablePointer<Float>],
    _ multiply: (UnsafePointer<Float>, PreparedMatrix, UnsafeMutablePointer<Float>) -> Void
  ) {
    for (var matrix, output) in zip(matrices, outputs) {
      guard let order = matrix.inputOrder, let ordered else {
        multiply(x, matrix, output)
        continue
      }
      let columns = matrix.columns
      pool.forEachChunk(of: tokens, grain: max(1, 32_768 / columns)) { _, range in
        for token in range {
          let (from, to) = (x + token * columns, ordered + token * columns)
          for column in 0..<columns { to[column] = from[Int(order[column])] }
        }
      }
      matrix.inputOrder = nil
      multiply(ordered, matrix, output)
    }
  }
}
