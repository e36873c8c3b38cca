// SPDX-License-Identifier: Apache-2.0
import CKernels
import TestSupport
import Testing

private let panelTypes = (0..<Int32(CK_TYPE_COUNT.rawValue)).filter { ck_has_panels($0) != 0 }

@Suite struct PanelTests {
  @Test func `all formats of whole codes and of floats have panels`() {
    #expect(
      panelTypes == [
        0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 29, 30, 34, 35, 39, 64, 65, 66, 67, 68,
        69, 70, 71, 72, 73, 74,
      ])
  }

  @Test(arguments: panelTypes, [1, 2, 5])
  func `a panel gives its rows back byte for byte`(type: Int32, blocks: Int) {
    let rowBytes = blocks * Int(ck_block_bytes(type))
    var random = SeededRandom(seed: UInt64(type))
    let rows = (0..<16 * rowBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
    var panel = [UInt8](repeating: 0, count: rows.count)
    ck_interleave(type, rows, Int64(blocks), &panel)
    #expect(panel.sorted() == rows.sorted())
    for row in 0..<16 {
      var back = [UInt8](repeating: 0, count: rowBytes)
      ck_panel_row(type, panel, Int64(row), Int64(blocks), &back)
      #expect(back[...] == rows[row * rowBytes..<(row + 1) * rowBytes])
    }
  }

  @Test(arguments: [8, 1, 4, 6], [1, 2, 7])
  func `records stand for their vectors within half a step, and carry their sums`(group: Int, tokens: Int) {
    let columns = 96
    let x = vector(tokens * columns, seed: 3)
    for kernels in supportedRows() {
      let records = Records(x, tokens: tokens, columns: columns, group: group, row: kernels.row)
      for token in 0..<tokens {
        for k in 0..<columns {
          let step = Double(records.float(token, k / 32, 0))
          // Half a step, and the roundings of the division and of the products.
          #expect(abs(records.value(token, k) - Double(x[token * columns + k])) <= step * (0.5 + 127 * 0x1p-21))
        }
        for block in 0..<columns / 32 {
          let q = (0..<32).map { records.code(token, block, $0) }
          let sums = [q.reduce(0, +), q.prefix(16).reduce(0, +), q.suffix(16).reduce(0, +)]
          for (line, sum) in zip(4..., sums) { #expect(records.word(token, block, line) == -128 * Int32(sum)) }
          for (line, sum) in zip(1..., sums) {
            #expect(records.float(token, block, line) == records.float(token, block, 0) * Float(sum), "\(kernels.name)")
          }
        }
      }
      #expect(records.paddingIsZero, "\(kernels.name)")
    }
  }

  @Test(arguments: [1, 4, 6], [1, 2, 7])
  func `wide records have one scale for 256 columns, which their sums lack`(group: Int, tokens: Int) {
    let columns = 512
    let x = vector(tokens * columns, seed: 4)
    for kernels in supportedRows() where kernels.row.pointee.make_wide_records != nil {
      let records = Records(
        x, tokens: tokens, columns: columns, group: group, row: kernels.row, form: CK_INPUT_WIDE_RECORDS)
      for token in 0..<tokens {
        for block in 0..<columns / 32 {
          let first = token * columns + block / 8 * 256
          let step = records.float(token, block, 0)
          #expect(step == (x[first..<first + 256].map(\.magnitude).max() ?? 0) / 127)
          for k in block * 32..<block * 32 + 32 {
            let error = abs(records.value(token, k) - Double(x[token * columns + k]))
            #expect(error <= Double(step) * (0.5 + 127 * 0x1p-21))
          }
          let q = (0..<32).map { records.code(token, block, $0) }
          let sums = [q.reduce(0, +), q.prefix(16).reduce(0, +), q.suffix(16).reduce(0, +)]
          for (line, sum) in zip(1..., sums) { #expect(records.float(token, block, line) == Float(sum)) }
          for (line, sum) in zip(4..., sums) { #expect(records.word(token, block, line) == -128 * Int32(sum)) }
        }
      }
      #expect(records.paddingIsZero, "\(kernels.name)")
    }
  }

  @Test func `many vectors read wide records only where the blocks are as wide and the kernels multiply by them`() {
    let portable = ck_kernels_for(CK_PORTABLE)
    #expect(ck_many_input(portable, Int32(CK_Q4_K.rawValue), 1, 512, 64) == CK_INPUT_RECORDS)
    #expect(ck_many_input(portable, Int32(CK_F16.rawValue), 1, 512, 64) == CK_INPUT_F32)
    guard let vnni = ck_kernels_for(CK_AVX512_VNNI) else { return }
    #expect(ck_many_input(vnni, Int32(CK_Q4_K.rawValue), 1, 512, 64) == CK_INPUT_WIDE_RECORDS)
    #expect(ck_many_input(vnni, Int32(CK_Q4_0.rawValue), 1, 512, 64) == CK_INPUT_RECORDS)
    #expect(ck_many_input(ck_kernels_for(CK_AMX), Int32(CK_Q4_K.rawValue), 1, 512, 64) == CK_INPUT_TILES)
  }

  @Test(arguments: panelTypes, [1, 2, 3, 7])
  func `a vector times a panel equals the sum in doubles within its rounding`(type: Int32, blocks: Int) {
    let matrix = PanelMatrix(type: type, rows: 64, columns: blocks * max(Int(ck_block_elements(type)), 32))
    let x = vector(matrix.columns, seed: 5)
    for kernels in supportedRows() {
      let records = Records(x, tokens: 1, columns: matrix.columns, group: 1, row: kernels.row)
      var y = [Float](repeating: 777, count: 64)
      x.withUnsafeBytes { x in
        let input = matrix.readsFloats ? x.baseAddress : UnsafeRawPointer(records.words.baseAddress)
        matrix.run(kernels, .one, input: input, tokens: 1, into: &y, stride: 64, rows: 16..<64)
      }
      let represented = (0..<matrix.columns).map { matrix.readsFloats ? Double(x[$0]) : records.value(0, $0) }
      for row in [16, 17, 31, 32, 40, 47, 48, 63] {
        let exact = matrix.product(row: row, represented)
        #expect(abs(Double(y[row]) - exact.sum) <= exact.bound, "\(kernels.name), row \(row)")
      }
      #expect(y.prefix(16).allSatisfy { $0 == 777 }, "\(kernels.name) wrote before its rows")
    }
  }

  @Test(arguments: panelTypes, [1, 5, 6, 13, 37])
  func `many vectors times panels equal the sums in doubles`(type: Int32, tokens: Int) {
    // A chunk and a part of one; all rows that are unpacked at once and some more, the last tile with a single panel.
    let block = max(32, Int(ck_block_elements(type)))
    let columns = (256 / block + 1) * block
    let matrix = PanelMatrix(type: type, rows: 192, columns: columns)
    let x = vector(tokens * columns, seed: 7)
    for kernels in supportedRows() where !matrix.goesByTiles(kernels) {
      let row = kernels.row
      let input = ManyInput(x, tokens: tokens, columns: columns, matrix, row)
      var y = [Float](repeating: 777, count: tokens * 193)
      matrix.run(kernels, .many, input: input.address, tokens: tokens, into: &y, stride: 193, rows: 16..<192)
      for token in 0..<tokens {
        let represented = (0..<columns).map { input.value(token, $0) }
        for row in [16, 29, 47, 48, 79, 111, 143, 144, 191] {
          let exact = matrix.product(row: row, represented, inWords: input.isInWords)
          #expect(
            abs(Double(y[token * 193 + row]) - exact.sum) <= exact.bound,
            "\(kernels.name), token \(token), row \(row)")
        }
        #expect(y[token * 193 + 15] == 777 && y[token * 193 + 192] == 777, "\(kernels.name) wrote beside its rows")
      }
    }
  }

  @Test(arguments: [CK_F16, CK_Q4_0, CK_Q4_K, CK_Q3_K, CK_FP8].map { Int32($0.rawValue) })
  func `more vectors than have their sums kept together equal the sums in doubles`(type: Int32) {
    let (tokens, columns) = (525, 512)
    let matrix = PanelMatrix(type: type, rows: 48, columns: columns)
    let x = vector(tokens * columns, seed: 13)
    for kernels in supportedRows() where !matrix.goesByTiles(kernels) {
      let input = ManyInput(x, tokens: tokens, columns: columns, matrix, kernels.row)
      var y = [Float](repeating: 777, count: tokens * 49)
      matrix.run(kernels, .many, input: input.address, tokens: tokens, into: &y, stride: 49, rows: 16..<48)
      for token in [0, 1, 511, 515, 516, 517, 521, 522, 524] {
        let represented = (0..<columns).map { input.value(token, $0) }
        for row in [16, 31, 47] {
          let exact = matrix.product(row: row, represented, inWords: input.isInWords)
          #expect(
            abs(Double(y[token * 49 + row]) - exact.sum) <= exact.bound, "\(kernels.name), token \(token), row \(row)")
        }
      }
    }
  }

  @Test(arguments: MadeFormat.all, [1, 7])
  func `the largest codes times the largest inputs of one sign fit the sums`(
    format: MadeFormat, tokens: Int
  ) throws {
    // Rows of one value, of either sign, and rows in which one value of sixteen is of the other sign and a little larger,
    // so that the codes of all others are the largest above an offset.
    let columns = 256
    let values = (0..<16 * columns).map { place -> Float in
      let row = place / columns
      let value: Float = row < 4 ? 1 : place % 16 == row ? -1 : 31.0 / 32
      return row % 2 == 0 ? value : -value
    }
    let matrix = PanelMatrix(
      type: format.type, rows: 16, columns: columns, weights: try encoded(values, type: format.type))
    let x = [Float](repeating: 1, count: tokens * columns)
    for kernels in supportedRows() where tokens == 1 || !matrix.goesByTiles(kernels) {
      let one = Records(x, tokens: 1, columns: columns, group: 1, row: kernels.row)
      let many = ManyInput(x, tokens: tokens, columns: columns, matrix, kernels.row)
      var y = [Float](repeating: 777, count: tokens * 16)
      matrix.run(
        kernels, tokens == 1 ? .one : .many, input: tokens == 1 ? one.address : many.address, tokens: tokens, into: &y,
        stride: 16, rows: 0..<16)
      let represented = (0..<columns).map { tokens == 1 ? one.value(0, $0) : many.value(0, $0) }
      for (place, sum) in y.enumerated() {
        let exact = matrix.product(row: place % 16, represented, inWords: tokens > 1 && many.isInWords)
        #expect(abs(Double(sum) - exact.sum) <= exact.bound, "\(kernels.name), token \(place / 16), row \(place % 16)")
      }
    }
  }

  @Test(arguments: panelTypes, [2, 3, 4, 7, 8, 11])
  func `a few vectors give the sums of each one alone, bit for bit`(type: Int32, tokens: Int) {
    // A block or two of 256, whole blocks of 128 and less, a float row that is no multiple of four.
    let columns = ck_block_elements(type) == 256 ? 512 : ck_block_elements(type) > 1 ? 384 : 291
    let matrix = PanelMatrix(type: type, rows: 48, columns: columns)
    let x = vector(tokens * columns, seed: 11)
    for kernels in supportedRows() where kernels.row.pointee.panel_few != nil && ck_has_few(type) != 0 {
      let group = Int(ck_few_group(Int64(tokens)))
      let together = input(x, tokens: tokens, of: matrix, group: group, kernels.row)
      var y = [Float](repeating: 777, count: tokens * 49)
      together.withUnsafeBytes {
        matrix.run(kernels, .few, input: $0.baseAddress, tokens: tokens, into: &y, stride: 49, rows: 16..<48)
      }
      for token in 0..<tokens {
        let own = Array(x[token * columns..<(token + 1) * columns])
        let alone = input(own, tokens: 1, of: matrix, group: 1, kernels.row)
        var expected = [Float](repeating: 777, count: 49)
        alone.withUnsafeBytes {
          matrix.run(kernels, .one, input: $0.baseAddress, tokens: 1, into: &expected, stride: 49, rows: 16..<48)
        }
        #expect(Array(y[token * 49..<(token + 1) * 49]) == expected, "\(kernels.name), token \(token)")
      }
    }
  }

  /// The words that kernels of one and of a few vectors read.
  private func input(
    _ x: [Float], tokens: Int, of matrix: PanelMatrix, group: Int, _ row: UnsafePointer<ck_kernels>
  ) -> [Int32] {
    if matrix.readsFloats { return x.map { Int32(bitPattern: $0.bitPattern) } }
    let records = Records(x, tokens: tokens, columns: matrix.columns, group: group, row: row)
    return withExtendedLifetime(records) { Array(records.words) }
  }

  private func encoded(_ values: [Float], type: Int32) throws -> [UInt8] {
    let encoder = try #require(ck_encoder_of(type))
    let blocks = values.count / Int(ck_block_elements(type))
    var bytes = [UInt8](repeating: 0, count: blocks * Int(ck_block_bytes(type)))
    encoder(values, nil, &bytes, Int64(values.count))
    return bytes
  }

  private func vector(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in Float.random(in: -2...2, using: &random) }
  }
}

/// Records of groups of tokens, by what they say.
private final class Records {
  let words: UnsafeMutableBufferPointer<Int32>
  private let tokens: Int
  private let blocks: Int
  private let group: Int

  init(
    _ x: [Float], tokens: Int, columns: Int, group: Int, row: UnsafePointer<ck_kernels>,
    form: ck_input = CK_INPUT_RECORDS
  ) {
    self.tokens = tokens
    self.group = group
    blocks = columns / 32
    words = .allocate(capacity: ck_record_bytes(Int64(group), Int64(tokens), Int64(columns)) / 4)
    words.initialize(repeating: 99)
    let make = form == CK_INPUT_WIDE_RECORDS ? row.pointee.make_wide_records : row.pointee.make_records
    make?(
      x, Int64(columns), Int64(tokens), Int64(columns), Int64(group), words.baseAddress, 0,
      Int64((tokens + group - 1) / group))
  }

  deinit { words.deallocate() }

  var address: UnsafeRawPointer? { UnsafeRawPointer(words.baseAddress) }

  func word(_ token: Int, _ block: Int, _ line: Int) -> Int32 {
    words[((token / group * blocks + block) * Int(CK_RECORD_WORDS) + line) * group + token % group]
  }
  func float(_ token: Int, _ block: Int, _ line: Int) -> Float {
    Float(bitPattern: UInt32(bitPattern: word(token, block, line)))
  }
  func code(_ token: Int, _ block: Int, _ k: Int) -> Int {
    Int(Int8(truncatingIfNeeded: word(token, block, 7 + k / 4) >> Int32(k % 4 * 8)))
  }
  func value(_ token: Int, _ k: Int) -> Double {
    Double(float(token, k / 32, 0)) * Double(code(token, k / 32, k % 32))
  }
  var paddingIsZero: Bool {
    (tokens..<(tokens + group - 1) / group * group).allSatisfy { token in
      (0..<blocks).allSatisfy { block in (0..<Int(CK_RECORD_WORDS)).allSatisfy { word(token, block, $0) == 0 } }
    }
  }
}

/// What products of many vectors with panels read, in the form that the kernels ask for.
private struct ManyInput {
  private let records: Records?
  private let floats: FloatInput?

  init(_ x: [Float], tokens: Int, columns: Int, _ matrix: PanelMatrix, _ row: UnsafePointer<ck_kernels>) {
    let wide = row.pointee.make_wide_records != nil && ck_block_elements(matrix.type) == 256
    floats =
      matrix.readsFloats
      ? FloatInput(x, tokens: tokens, columns: columns, type: matrix.type, isInterleaved: true, row) : nil
    records =
      matrix.readsFloats
      ? nil
      : Records(
        x, tokens: tokens, columns: columns, group: Int(row.pointee.record_tokens), row: row,
        form: wide ? CK_INPUT_WIDE_RECORDS : CK_INPUT_RECORDS)
  }

  var address: UnsafeRawPointer? { UnsafeRawPointer(floats?.words.baseAddress ?? records?.words.baseAddress) }
  var isInWords: Bool { floats?.isInWords ?? false }
  func value(_ token: Int, _ k: Int) -> Double { floats?.value(token, k) ?? records?.value(token, k) ?? .nan }
}

/// A matrix of random blocks in panels, and what it decodes to.
private struct PanelMatrix {
  let type: Int32
  let rows: Int
  let columns: Int
  private let panels: [UInt8]
  private let decoded: [Float]
  private let largest: Double

  init(type: Int32, rows: Int, columns: Int) {
    let weights = randomWeights(type: type, rows: rows, columns: columns, seed: UInt64(type) * 100 + UInt64(columns))
    self.init(type: type, rows: rows, columns: columns, weights: weights)
  }

  init(type: Int32, rows: Int, columns: Int, weights: [UInt8]) {
    self.type = type
    self.rows = rows
    self.columns = columns
    panels = interleavedWeights(weights, type: type, rows: rows, columns: columns)
    decoded = decodedWeights(weights, type: type, count: rows * columns)
    largest = Double(decoded.map(\.magnitude).max() ?? 0)
  }

  var readsFloats: Bool { ck_panel_input(type) == CK_INPUT_F32 }

  enum Product { case one, few, many }

  /// Such products are those of `TileTests`.
  func goesByTiles(_ kernels: KernelRow) -> Bool {
    ck_many_input(kernels.row, type, 1, Int64(columns), Int64(CK_FEW_TOKENS) + 1) == CK_INPUT_TILES
  }

  func run(
    _ kernels: KernelRow, _ product: Product, input: UnsafeRawPointer?, tokens: Int, into y: inout [Float], stride: Int,
    rows: Range<Int>
  ) {
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: ck_gemm_scratch_bytes(kernels.row), alignment: 64)
    defer { scratch.deallocate() }
    panels.withUnsafeBytes { panels in
      y.withUnsafeMutableBufferPointer { y in
        var job = ck_panel_job(
          type: type, panels: panels.baseAddress, input: input, tokens: Int64(tokens), columns: Int64(columns),
          y: y.baseAddress, y_stride: Int64(stride), scratch: scratch, adds: 0, gate: nil, gated: nil)
        let multiply =
          switch product {
          case .one: kernels.row.pointee.panel_matvec
          case .few: kernels.row.pointee.panel_few
          case .many: kernels.row.pointee.panel_gemm
          }
        multiply?(&job, Int64(rows.lowerBound), Int64(rows.upperBound))
      }
    }
  }

  /// Exact sums with the bound of ProductTests on any order of float sums. Codes are stored with an offset of at most
  /// 128 or a minimum, whose products cancel: each term's magnitude is that of its largest code. Levels that are no
  /// whole numbers are rounded to steps of a hundred-and-twentieth or less.
  func product(row: Int, _ x: [Double], inWords: Bool = false) -> (sum: Double, bound: Double) {
    var sum = 0.0
    var magnitude = 0.0
    for k in 0..<columns {
      let weight = Double(decoded[row * columns + k])
      sum += weight * x[k]
      magnitude += (abs(weight) + largest) * abs(x[k])
    }
    let levels = [Int32(CK_NF4.rawValue), Int32(CK_FP4.rawValue)].contains(type) ? 0.5 / 120 * largest : 0
    let inputs = x.reduce(0) { $0 + abs($1) }
    let words = inWords ? wordBound(decoded[row * columns..<(row + 1) * columns].map(Double.init), x) : 0
    return (sum, Double(columns / 8 + 16) * 0x1p-23 * magnitude + levels * inputs + words + 1e-30)
  }
}
