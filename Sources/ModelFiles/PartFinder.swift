// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import LanguageModel

/// Takes the parts of one matrix from a file and holds each against the size that it must have.
struct PartFinder {
  let name: String
  let all: CheckpointParts
  private(set) var parts: [Int] = []

  init(name: String, all: CheckpointParts) {
    self.name = name
    self.all = all
  }

  /// The name of a tensor beside the one with the codes.
  func sibling(_ suffix: String) -> String {
    (name.lastIndex(of: ".").map { String(name[...$0]) } ?? "") + suffix
  }

  func fault(_ name: String, _ fault: FormatFault) -> ModelFileError {
    .malformed(path: all.files.path, at: .tensor(name, offset: nil), fault)
  }

  mutating func find(_ name: String) throws(ModelFileError) -> Int {
    guard let index = all.index(name) else { throw fault(name, .missing(expected: "the tensor")) }
    if !parts.contains(index) { parts.append(index) }
    return index
  }

  /// The tensor with the codes; nil for one without elements.
  mutating func own(elementBytes: Int) throws(ModelFileError) -> UnsafeRawPointer? {
    guard let index = all.index(name), all.tensor(index).elements > 0 else { return nil }
    return try part(named: name, bytes: all.tensor(index).elements * elementBytes)
  }

  mutating func part(_ suffix: String, bytes count: Int) throws(ModelFileError) -> UnsafeRawPointer {
    try part(named: sibling(suffix), bytes: count)
  }

  mutating func part(named name: String, bytes count: Int) throws(ModelFileError) -> UnsafeRawPointer {
    let bytes = all.bytes(try find(name))
    guard bytes.count == count, let address = bytes.baseAddress else {
      throw fault(name, .wrongByteCount(found: UInt64(bytes.count), expected: UInt64(max(0, count))))
    }
    return address
  }

  func count(_ suffix: String) -> Int { all.index(sibling(suffix)).map { all.tensor($0).elements } ?? 0 }

  mutating func numbers(_ suffix: String, count: Int) throws(ModelFileError) -> Numbers {
    try numbers(named: sibling(suffix), count: count)
  }

  mutating func numbers(named name: String, count: Int) throws(ModelFileError) -> Numbers {
    let index = try find(name)
    guard case .block(let format) = all.tensor(index).format, [.f32, .f16, .bf16].contains(format) else {
      throw fault(name, .wrongType(found: all.tensor(index).format.name, expected: "floats of 16 or 32 bits"))
    }
    return Numbers(address: try part(named: name, bytes: count * format.bytesPerBlock), format: format)
  }

  /// Columns sorted by their group, when they are not so already; every group but the last must be full.
  mutating func order(columns: Int, group: Int) throws(ModelFileError) -> [Int32] {
    guard all.has(sibling("g_idx")) else { return [] }
    let list = try part("g_idx", bytes: columns * 4)
    func groupOf(_ column: Int) -> Int32 { list.loadUnaligned(fromByteOffset: column * 4, as: Int32.self) }
    guard (0..<columns).contains(where: { groupOf($0) != Int32($0 / group) }) else { return [] }
    let sorted = (0..<columns).sorted { (groupOf($0), $0) < (groupOf($1), $1) }
    if let wrong = sorted.indices.first(where: { groupOf(sorted[$0]) != Int32($0 / group) }) {
      throw fault(
        sibling("g_idx"),
        .wrongValue(found: "\(groupOf(sorted[wrong]))", expected: "\(group) inputs in every group but the last"))
    }
    return sorted.map(Int32.init)
  }

  /// Codes and parts must make a matrix whose bytes are there.
  func check(rows: Int, columns: Int) throws(ModelFileError) {
    guard rows > 0, columns > 0, rows <= Int(Int32.max), columns <= Int(Int32.max) else {
      throw fault(name, .wrongValue(found: "\(rows) × \(columns)", expected: "a matrix"))
    }
  }
}

extension PartFinder {
  struct Levels {
    var shape: (rows: Int, columns: Int)
    var bytes: UnsafeRawPointer
    var absmax: [Float]
    var isNormal: Bool
    var format: StorageFormat
  }

  /// The codes of sixteen levels with their absmaxes; `state` is the JSON text that describes them.
  mutating func levels(state: Int) throws(ModelFileError) -> Levels {
    let stateName = all.files.inventory.fileNames[state]
    let text: JSON
    do throws(JSONError) { text = try JSON(parsing: Array(all.bytes(state))) } catch {
      throw fault(stateName, .invalidJSON(JSONFault(error)))
    }
    let shape = text["shape"]?.arrayValue?.compactMap(\.intValue) ?? []
    guard shape.count == 2, shape.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else {
      throw fault(stateName, .missing(expected: "a shape of two dimensions"))
    }
    guard let type = text["quant_type"]?.stringValue, ["nf4", "fp4"].contains(type),
      text["blocksize"]?.intValue == CheckpointLayout.levelBlock
    else { throw fault(stateName, .wrongValue(found: "its type or block", expected: "nf4 or fp4 in blocks of 64")) }
    let elements = shape[0] * shape[1]
    let isDouble = all.has(name + ".nested_absmax")
    let levels = type == "nf4" ? FourBitLevels.normal : FourBitLevels.float
    try checkLevels(levels)
    return Levels(
      shape: (shape[0], shape[1]), bytes: try part(named: name, bytes: (elements + 1) / 2),
      absmax: try absmaxes(elements: elements, isDouble: isDouble, offset: text["nested_offset"]?.doubleValue ?? 0),
      isNormal: type == "nf4",
      format: type == "nf4"
        ? .normalFloat4(isDoubleQuantised: isDouble) : .float4(isDoubleQuantised: isDouble))
  }

  /// The file's levels must be those of the kernels.
  private mutating func checkLevels(_ levels: [Float]) throws(ModelFileError) {
    let map = try numbers(named: name + ".quant_map", count: levels.count)
    guard levels.indices.allSatisfy({ abs(map[$0] - levels[$0]) < 1e-4 }) else {
      throw fault(name + ".quant_map", .wrongValue(found: "other levels", expected: "those of nf4 or fp4"))
    }
  }

  private mutating func absmaxes(elements: Int, isDouble: Bool, offset: Double) throws(ModelFileError) -> [Float] {
    let count = (elements + CheckpointLayout.levelBlock - 1) / CheckpointLayout.levelBlock
    guard isDouble else {
      let numbers = try numbers(named: name + ".absmax", count: count)
      return (0..<count).map { numbers[$0] }
    }
    let codes = try part(named: name + ".absmax", bytes: count)
    let map = try numbers(named: name + ".nested_quant_map", count: 256)
    let block = CheckpointLayout.nestedBlock
    let nested = try numbers(named: name + ".nested_absmax", count: (count + block - 1) / block)
    return (0..<count).map {
      map[Int(codes.load(fromByteOffset: $0, as: UInt8.self))] * nested[$0 / block] + Float(offset)
    }
  }
}
