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

/// Rows of a matrix that lie alike, and where their sums go.
struct ProductPart {
  let matrix: PreparedMatrix
  let rows: Range<Int>
  let isInterleaved: Bool
  let output: UnsafeMutablePointer<Float>
  /// Whether sums are added to what lies there: by tiles alone.
  var adds = false

  /// The interleaved rows of each matrix, then those behind them.
  static func parts(_ matrices: [PreparedMatrix], _ outputs: [UnsafeMutablePointer<Float>]) -> [ProductPart] {
    var parts: [ProductPart] = []
    parts.reserveCapacity(2 * matrices.count)
    for (matrix, output) in zip(matrices, outputs) {
      for (rows, isInterleaved) in [(0..<matrix.interleavedRows, true), (matrix.interleavedRows..<matrix.rows, false)] {
        guard !rows.isEmpty else { continue }
        parts.append(ProductPart(matrix: matrix, rows: rows, isInterleaved: isInterleaved, output: output))
      }
    }
    return parts
  }

  func matvecInput(_ row: UnsafePointer<ck_kernels>) -> ck_input {
    isInterleaved ? ck_panel_input(matrix.type) : ck_input_of(row, matrix.type)
  }

  /// What a product of a few tokens reads, whose rows are interleaved.
  var fewInput: ck_input { ck_panel_input(matrix.type) }

  /// What a product of so many tokens reads.
  func manyInput(_ kernels: KernelSet, tokens: Int) -> ck_input {
    ck_many_input(kernels.row, matrix.type, isInterleaved ? 1 : 0, Int64(matrix.columns), Int64(tokens))
  }

  var hasFew: Bool { isInterleaved && ck_has_few(matrix.type) != 0 }

  /// Pieces of sixteen rows, the last one perhaps smaller.
  var pieces: Int { (rows.count + Interleaving.panelRows - 1) / Interleaving.panelRows }
}

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

  private typealias PanelKernel = @convention(c) (UnsafePointer<ck_panel_job>?, Int64, Int64) -> Void

  /// Runs a kernel over rows of a part's panels, or over one panel after the other where these rows are in the file's
  /// order: each is made for this product alone, in the nearest cache, and multiplied as if it had lain there.
  private func run(
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

  private func multiplyMany(_ x: UnsafePointer<Float>, tokens: Int, columns: Int, _ all: [ProductPart]) {
    var parts = all
    if let library = kernels.openBLAS {
      for part in parts where part.matrix.type == CK_F32.rawValue {
        multiply(x, tokens: tokens, by: part.matrix, into: part.output, with: library)
      }
      parts.removeAll { $0.matrix.type == CK_F32.rawValue }
    }
    // All forms of the input take the same buffer, one after the other.
    for input in [CK_INPUT_F32, CK_INPUT_WORDS, CK_INPUT_RECORDS, CK_INPUT_WIDE_RECORDS, CK_INPUT_TILES] {
      let readers = parts.filter { $0.manyInput(kernels, tokens: tokens) == input }
      guard !readers.isEmpty else { continue }
      convert {
        switch input {
        case CK_INPUT_RECORDS, CK_INPUT_WIDE_RECORDS:
          let group = Int(kernels.row.pointee.record_tokens)
          makeRecords(x, tokens: tokens, columns: columns, group: group, isWide: input == CK_INPUT_WIDE_RECORDS)
        case CK_INPUT_TILES: makeTiles(x, tokens: tokens, columns: columns)
        case CK_INPUT_WORDS: makeWords(x, tokens: tokens, columns: columns)
        default: pack(x, tokens: tokens, columns: columns)
        }
      }
      multiply(readers, tokens: tokens)
    }
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

  private func pack(_ x: UnsafePointer<Float>, tokens: Int, columns: Int) {
    let group = Int(kernels.row.pointee.token_group)
    pool.forEachChunk(of: (tokens + group - 1) / group, grain: 4) { _, groups in
      kernels.row.pointee.pack(
        x, Int64(columns), Int64(tokens), Int64(columns), packed, Int64(groups.lowerBound), Int64(groups.upperBound))
    }
  }

  /// Groups of tokens in pieces of columns, so that a few tokens of long rows keep all threads busy too.
  private func makeRecords(
    _ x: UnsafePointer<Float>, tokens: Int, columns: Int, group: Int, isWide: Bool = false
  ) {
    let make = isWide ? kernels.row.pointee.make_wide_records : kernels.row.pointee.make_records
    let piece = 1024
    let pieces = (columns + piece - 1) / piece
    let words = group * Int(CK_RECORD_WORDS)
    let groups = (tokens + group - 1) / group
    pool.forEachChunk(of: groups * pieces, grain: max(1, 16_384 / (group * piece))) { _, items in
      packed.withMemoryRebound(to: Int32.self, capacity: 1) { records in
        for item in items {
          let (own, start) = (item / pieces, item % pieces * piece)
          make?(
            x + own * group * columns + start, Int64(columns), Int64(tokens - own * group),
            Int64(min(piece, columns - start)), Int64(group), records + (own * columns + start) / 32 * words, 0, 1)
        }
      }
    }
  }

  /// Groups of tokens in pieces of columns, as above.
  private func makeWords(_ x: UnsafePointer<Float>, tokens: Int, columns: Int) {
    let row = kernels.row
    let (group, piece) = (Int(row.pointee.token_group), 1024)
    let pieces = (columns + piece - 1) / piece
    func words(_ columns: Int) -> Int { ck_word_bytes(row, Int64(group), Int64(columns)) / 4 }
    let own = words(columns)
    pool.forEachChunk(of: (tokens + group - 1) / group * pieces, grain: 1) { _, items in
      packed.withMemoryRebound(to: Int32.self, capacity: 1) { all in
        for item in items {
          let (place, start) = (item / pieces, item % pieces * piece)
          row.pointee.make_words(
            x + place * group * columns + start, Int64(columns), Int64(tokens - place * group),
            Int64(min(piece, columns - start)), all + place * own + words(start))
        }
      }
    }
  }

  /// All parts in a single job, as `forEachPiece`, in runs of rows that the kernels divide into blocks.
  ///
  /// - Parameters:
  ///   - input: the tokens in the form that the kernels read; nil for those in the buffer of packed ones.
  ///   - gate: of parts by tiles, what their products are gated by.
  func multiply(_ parts: [ProductPart], tokens: Int, input: UnsafeRawPointer? = nil, gate: Gate? = nil) {
    let step = Int(ck_gemm_row_step(kernels.row))
    let lists = parts.map { ($0.rows.count + step - 1) / step }
    let most = max(1, min(lists.reduce(0, +) / (pool.active * 4), Self.runRows / step))
    pool.forEachPiece(of: lists, size: ChunkSize(least: 1, most: most)) { thread, list, pieces in
      guard !isIdle else { return }
      let part = parts[list]
      let first = part.rows.lowerBound + pieces.lowerBound * step
      let rows = first..<min(part.rows.lowerBound + pieces.upperBound * step, part.rows.upperBound)
      let own = scratch + thread * RuntimeMemoryPlan.gemmScratchFloats
      if part.isInterleaved {
        multiplyPanels(part, rows: rows, tokens: tokens, input: input ?? UnsafeRawPointer(packed), scratch: own, gate)
      } else {
        multiplyRows(part, rows: rows, tokens: tokens, scratch: own)
      }
    }
  }
  /// Rows that a thread takes at a time at most: a block of the kernels that unpack most, or some of the others'.
  private static let runRows = 256

  private func multiplyPanels(
    _ part: ProductPart, rows: Range<Int>, tokens: Int, input: UnsafeRawPointer,
    scratch: UnsafeMutablePointer<Float>, _ gate: Gate?
  ) {
    let matrix = part.matrix
    let job = ck_panel_job(
      type: matrix.type, panels: nil, input: input, tokens: Int64(tokens), columns: Int64(matrix.columns),
      y: part.output, y_stride: Int64(matrix.rows), scratch: scratch, adds: part.adds ? 1 : 0, gate: nil, gated: nil)
    let usesTiles = part.manyInput(kernels, tokens: tokens) == CK_INPUT_TILES
    let kernel = usesTiles ? kernels.row.pointee.panel_tiles : kernels.row.pointee.panel_gemm
    run(kernel, job, over: rows, of: part, gate: gate)
  }

  private func multiplyRows(
    _ part: ProductPart, rows: Range<Int>, tokens: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    let matrix = part.matrix
    let words = part.manyInput(kernels, tokens: tokens) == CK_INPUT_WORDS ? UnsafeRawPointer(packed) : nil
    var job = ck_gemm(
      weights: matrix.address, row_bytes: matrix.rowBytes, decode: ck_decoder_of(kernels.row, matrix.type),
      packed: words == nil ? packed : nil, words: words?.assumingMemoryBound(to: Int32.self),
      tokens: Int64(tokens), columns: Int64(matrix.columns), y: part.output,
      y_stride: Int64(matrix.rows), scratch: scratch, block_elements: ck_block_elements(matrix.type),
      block_bytes: ck_block_bytes(matrix.type), is_interleaved: 0, panel_type: matrix.type)
    kernels.row.pointee.gemm(&job, Int64(rows.lowerBound), Int64(rows.upperBound))
  }

  private func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrix: PreparedMatrix, into output: UnsafeMutablePointer<Float>,
    with library: OpenBLAS
  ) {
    let weights = matrix.address.assumingMemoryBound(to: Float.self)
    let grain = (matrix.rows + pool.active - 1) / pool.active
    pool.forEachChunk(of: matrix.rows, grain: grain) { _, rows in
      library.multiply(
        x: x, tokens: tokens, columns: matrix.columns, weights: weights + rows.lowerBound * matrix.columns,
        rows: rows.count, y: output + rows.lowerBound, yStride: matrix.rows)
    }
  }
}
