// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// Rows of experts in blocks of 32 four-bit floats that share a power of two, as gpt-oss's checkpoints hold them.
///
/// - Shapes: blocks (experts, rows in the file, columns / 32, 16 bytes), a byte's low half before its high half; scales
///   (experts, rows in the file, columns / 32), exponents with a bias of 127. A matrix takes every `step`-th row of an expert.
/// - Source: the Open Compute Project's Microscaling Formats 1.0 (E2M1 with E8M0); the layout of openai/gpt-oss-20b.
struct MicroscaledRows: @unchecked Sendable {
  let blocks: UnsafeRawPointer
  let scales: UnsafeRawPointer
  let experts: Int
  let fileRows: Int
  let columns: Int
  var first = 0
  var step = 1

  /// Of one expert.
  var rows: Int { fileRows / step }

  /// Writes a row, numbered through all experts, as GGUF's blocks: an exponent, then element i in the low half of byte i and
  /// element i + 16 in its high half.
  func write(_ row: Int, to out: UnsafeMutableRawPointer) {
    let perRow = columns / 32
    let start = (row / rows * fileRows + first + row % rows * step) * perRow
    for block in 0..<perRow {
      let to = out + block * 17
      to.storeBytes(of: scales.load(fromByteOffset: start + block, as: UInt8.self), as: UInt8.self)
      let from = blocks + (start + block) * 16
      func element(_ index: Int) -> UInt8 {
        from.load(fromByteOffset: index / 2, as: UInt8.self) >> UInt8(index % 2 * 4) & 15
      }
      for index in 0..<16 {
        to.storeBytes(of: element(index) | element(index + 16) << 4, toByteOffset: 1 + index, as: UInt8.self)
      }
    }
  }
}

extension PackedMatrix {
  /// One matrix of a checkpoint, with its name and place in the model.
  typealias Named = (name: String, role: TensorRole, layer: Int, matrix: PackedMatrix)

  private init(_ experts: MicroscaledRows, parts: [Int]) {
    (rows, columns, copies) = (experts.rows, experts.columns, experts.experts)
    format = .block(.mxfp4)
    codes = .microscaled(experts)
    self.parts = parts
  }

  /// The matrices that a tensor of the file holds codes of: none where it is no quantised matrix, two where gate and up
  /// stand in one.
  ///
  /// - Throws: `ModelFileError.malformed` as `init`.
  static func all(
    _ name: String, _ layout: CheckpointLayout, _ parts: CheckpointParts, _ roles: HuggingFaceNames
  ) throws(ModelFileError) -> [Named] {
    let wholeName = layout.matrixName(name)
    let (role, layer) = roles.parse(wholeName)
    guard layout == .microscaledExperts else {
      return try PackedMatrix(name, layout, parts).map { [(wholeName, role, layer, $0)] } ?? []
    }
    guard name.hasSuffix(CheckpointLayout.microscaledBlocks) else { return [] }
    var finder = PartFinder(name: name, all: parts)
    var rows = try finder.microscaledRows()
    guard role == .expertGateUp else { return [(wholeName, role, layer, PackedMatrix(rows, parts: finder.parts))] }
    // Rows 2i and 2i + 1 are gate i and up i.
    rows.step = 2
    let gate = PackedMatrix(rows, parts: finder.parts)
    rows.first = 1
    let up = PackedMatrix(rows, parts: finder.parts)
    let base = wholeName.hasSuffix("gate_up_proj") ? String(wholeName.dropLast("gate_up_proj".count)) : wholeName + "."
    return [(base + "gate_proj", .expertGate, layer, gate), (base + "up_proj", .expertUp, layer, up)]
  }
}

extension PartFinder {
  mutating func microscaledRows() throws(ModelFileError) -> MicroscaledRows {
    let base = String(name.dropLast(CheckpointLayout.microscaledBlocks.count))
    let scalesName = base + CheckpointLayout.microscaledScales
    guard let index = all.index(scalesName) else { throw fault(scalesName, .missing(expected: "the tensor")) }
    let shape = all.tensor(index)
    let (experts, rows, perRow) = (Int(shape.copies), Int(shape.rows), Int(shape.columns))
    guard rows % 2 == 0, perRow <= Int(Int32.max) / 32 else {
      throw fault(scalesName, .wrongValue(found: "\(rows) × \(perRow)", expected: "pairs of rows of blocks"))
    }
    let scales = try part(named: scalesName, bytes: experts * rows * perRow)
    return MicroscaledRows(
      blocks: try part(named: name, bytes: experts * rows * perRow * 16), scales: scales, experts: experts,
      fileRows: rows, columns: perRow * 32)
  }
}
