// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// Products of more tokens than a few: the input is packed once, in the form that the kernels of each format read.
extension Products {
  func multiplyMany(_ x: UnsafePointer<Float>, tokens: Int, columns: Int, _ all: [ProductPart]) {
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

  private func pack(_ x: UnsafePointer<Float>, tokens: Int, columns: Int) {
    let group = Int(kernels.row.pointee.token_group)
    pool.forEachChunk(of: (tokens + group - 1) / group, grain: 4) { _, groups in
      kernels.row.pointee.pack(
        x, Int64(columns), Int64(tokens), Int64(columns), packed, Int64(groups.lowerBound), Int64(groups.upperBound))
    }
  }

  /// Groups of tokens in pieces of columns, so that a few tokens of long rows keep all threads busy too.
  func makeRecords(
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
