// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

extension GGUFHeader {
  /// What a part of a file gives.
  package enum Outcome: Sendable {
    case complete(GGUFHeader)
    /// The header is longer than the buffer: call again with at least so many bytes from the start of the file.
    case needsMoreBytes(atLeast: Int)
  }

  /// Reads the header of a GGUF file from its first bytes.
  ///
  /// Every count and length is held against what the file can contain before anything is allocated for it.
  /// - Parameters:
  ///   - bytes: the file from its start; all of it or a part.
  ///   - fileBytes: the size of the whole file; nil when unknown, then tensors are not held against the file's end.
  ///   - path: the name for errors.
  /// - Throws: `ModelFileError.malformed`.
  package static func read(
    _ bytes: UnsafeRawBufferPointer, fileBytes: Int?, path: String
  ) throws(ModelFileError) -> Outcome {
    var reader = GGUFHeaderReader(cursor: ByteCursor(bytes: bytes, fileBytes: fileBytes))
    do throws(HeaderStop) {
      return .complete(try reader.header())
    } catch {
      switch error {
      case .needsMore(let count): return .needsMoreBytes(atLeast: count)
      case .fault(let location, let fault): throw .malformed(path: path, at: location, fault)
      }
    }
  }
}

/// The grammar of a GGUF header, in the order of the file.
private struct GGUFHeaderReader {
  var cursor: ByteCursor

  /// Key length, type and the shortest value.
  private static let minimumPairBytes = 8 + 4 + 1
  /// Name length, dimension count, type and offset.
  private static let minimumTensorBytes = 8 + 4 + 4 + 8
  /// Arrays in arrays: the specification allows them without bound; no known file has more than two levels.
  private static let nestingLimit = 8

  mutating func header() throws(HeaderStop) -> GGUFHeader {
    let version = try preamble()
    let tensorCount = try count("tensors", minimumBytes: Self.minimumTensorBytes)
    let pairCount = try count("metadata entries", minimumBytes: Self.minimumPairBytes)
    let metadata = try metadata(count: pairCount)
    let alignment = try alignment(metadata)
    let tensors = try tensorTable(count: tensorCount, alignment: alignment)
    let dataOffset = (cursor.offset + alignment - 1) / alignment * alignment
    try checkPlaces(tensors, dataOffset: dataOffset)
    return GGUFHeader(
      version: version, metadata: metadata, tensors: tensors.map(\.tensor), alignment: alignment,
      dataOffset: dataOffset)
  }

  private mutating func preamble() throws(HeaderStop) -> UInt32 {
    let available = min(4, cursor.bytes.count)
    let start = Array(cursor.bytes[0..<available])
    guard start.elementsEqual(GGUFHeader.magic.prefix(available)) else {
      throw .fault(.offset(0), .wrongMagic(found: start, expected: "'GGUF'"))
    }
    _ = try cursor.number(UInt32.self, "the magic number")
    let version = try cursor.number(UInt32.self, "the format version")
    guard GGUFHeader.supportedVersions.contains(version) else {
      let isSwapped = (1...GGUFHeader.supportedVersions.upperBound).contains(version.byteSwapped)
      throw .fault(
        .offset(4), isSwapped ? .bigEndian : .unsupportedVersion(version, supported: GGUFHeader.supportedVersions))
    }
    return version
  }

  private mutating func count(_ what: String, minimumBytes: Int) throws(HeaderStop) -> Int {
    let place = cursor.offset
    let value = try cursor.number(UInt64.self, "the number of \(what)")
    let limit = UInt64(cursor.remaining / minimumBytes)
    guard value <= limit else { throw .fault(.offset(place), .tooMany(what: what, count: value, limit: limit)) }
    return Int(value)
  }

  // MARK: Metadata

  private mutating func metadata(count: Int) throws(HeaderStop) -> GGUFMetadata {
    var metadata = GGUFMetadata()
    for _ in 0..<count {
      let place = cursor.offset
      let key = try text("a metadata key")
      let value = try value(of: key)
      guard metadata.append(key, value) else {
        throw .fault(.key(key, offset: place), .duplicate(what: "the key"))
      }
    }
    return metadata
  }

  private mutating func text(_ what: String) throws(HeaderStop) -> String {
    let place = cursor.offset
    let bytes = try cursor.stringBytes(what)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .fault(.offset(place), .invalidText(what: what))
    }
    return text
  }

  private mutating func valueType(_ key: String) throws(HeaderStop) -> GGUFValueType {
    let place = cursor.offset
    let number = try cursor.number(UInt32.self, "the type of a value")
    guard let type = GGUFValueType(rawValue: number) else {
      throw .fault(.key(key, offset: place), .unknownValueType(number))
    }
    return type
  }

  private mutating func value(of key: String) throws(HeaderStop) -> GGUFValue {
    switch try valueType(key) {
    case .uint8: return .uint8(try number())
    case .int8: return .int8(try number())
    case .uint16: return .uint16(try number())
    case .int16: return .int16(try number())
    case .uint32: return .uint32(try number())
    case .int32: return .int32(try number())
    case .uint64: return .uint64(try number())
    case .int64: return .int64(try number())
    case .float32: return .float32(Float(bitPattern: try number()))
    case .float64: return .float64(Double(bitPattern: try number()))
    case .bool: return .bool(try boolean(key))
    case .string: return .string(String(decoding: try cursor.stringBytes("a metadata string"), as: UTF8.self))
    case .array: return .array(try array(key, depth: 0))
    }
  }

  private mutating func number<Number: FixedWidthInteger>() throws(HeaderStop) -> Number {
    try cursor.number(Number.self, "a metadata value")
  }

  private mutating func boolean(_ key: String) throws(HeaderStop) -> Bool {
    let place = cursor.offset
    let byte = try cursor.number(UInt8.self, "a metadata value")
    guard byte <= 1 else { throw .fault(.key(key, offset: place), .invalidBoolean(byte)) }
    return byte == 1
  }

  private mutating func array(_ key: String, depth: Int) throws(HeaderStop) -> GGUFArray {
    guard depth < Self.nestingLimit else {
      throw .fault(
        .key(key, offset: cursor.offset),
        .tooMany(what: "levels of nested arrays", count: UInt64(depth) + 1, limit: UInt64(Self.nestingLimit)))
    }
    let type = try valueType(key)
    let place = cursor.offset
    let stated = try cursor.number(UInt64.self, "the length of an array")
    let limit = UInt64(cursor.remaining / type.minimumByteCount)
    guard stated <= limit else {
      throw .fault(.key(key, offset: place), .tooMany(what: "array elements", count: stated, limit: limit))
    }
    return try elements(of: type, count: Int(stated), key: key, depth: depth)
  }

  private mutating func elements(
    of type: GGUFValueType, count: Int, key: String, depth: Int
  ) throws(HeaderStop) -> GGUFArray {
    switch type {
    case .string: return try strings(count: count)
    case .array:
      var nested: [GGUFArray] = []
      for _ in 0..<count { nested.append(try array(key, depth: depth + 1)) }
      return GGUFArray(elementType: .array, count: count, storage: [], nested: nested)
    default:
      let length = count * type.minimumByteCount
      try cursor.require(UInt64(length), "an array of \(count) values")
      let storage = Array(cursor.bytes[cursor.offset..<cursor.offset + length])
      if type == .bool, let wrong = storage.firstIndex(where: { $0 > 1 }) {
        throw .fault(.key(key, offset: cursor.offset + wrong), .invalidBoolean(storage[wrong]))
      }
      cursor.skip(length)
      return GGUFArray(elementType: type, count: count, storage: storage)
    }
  }

  private mutating func strings(count: Int) throws(HeaderStop) -> GGUFArray {
    // Every string has at least its length: a partial buffer that is too short for these is found out at once,
    // and the starts that are reserved are bounded by bytes at hand.
    try cursor.require(UInt64(count) * 8, "an array of \(count) strings")
    let base = cursor.offset
    var starts: [Int] = []
    starts.reserveCapacity(count + 1)
    for _ in 0..<count {
      let text = try cursor.stringBytes("a string of an array")
      starts.append(cursor.offset - text.count - base)
    }
    starts.append(cursor.offset - base + 8)
    return GGUFArray(
      elementType: .string, count: count, storage: Array(cursor.bytes[base..<cursor.offset]), starts: starts)
  }

  private func alignment(_ metadata: GGUFMetadata) throws(HeaderStop) -> Int {
    let key = "general.alignment"
    guard let value = metadata[key] else { return GGUFHeader.defaultAlignment }
    guard let alignment = value.intValue else {
      throw .fault(.key(key, offset: nil), .wrongType(found: "\(value.type)", expected: "a whole number"))
    }
    guard (8...65536).contains(alignment), alignment & (alignment - 1) == 0 else {
      throw .fault(.key(key, offset: nil), .invalidAlignment(UInt64(max(alignment, 0))))
    }
    return alignment
  }

  // MARK: Tensors

  private struct Entry {
    let tensor: GGUFTensor
    /// Where its entry begins in the file.
    let place: Int
  }

  private mutating func tensorTable(count: Int, alignment: Int) throws(HeaderStop) -> [Entry] {
    var entries: [Entry] = []
    var names: Set<String> = []
    for _ in 0..<count {
      let entry = try tensor(alignment: alignment)
      guard names.insert(entry.tensor.name).inserted else {
        throw .fault(.tensor(entry.tensor.name, offset: entry.place), .duplicate(what: "the name"))
      }
      entries.append(entry)
    }
    return entries
  }

  private mutating func tensor(alignment: Int) throws(HeaderStop) -> Entry {
    let place = cursor.offset
    let name = try text("a tensor name")
    let location = ModelFileError.Location.tensor(name, offset: place)
    let dimensions = try dimensions(location)
    let typeNumber = try cursor.number(UInt32.self, "a tensor type")
    guard let format = BlockFormat(ggufType: typeNumber) else {
      throw .fault(location, .unknownTensorType(number: typeNumber))
    }
    let byteCount = try byteCount(dimensions, format, location)
    let offset = try cursor.number(UInt64.self, "a tensor offset")
    guard offset % UInt64(alignment) == 0 else {
      throw .fault(location, .misaligned(offset: offset, alignment: alignment))
    }
    guard let start = Int(exactly: offset) else {
      throw .fault(
        location, .outsideFile(start: offset, bytes: UInt64(byteCount), fileBytes: cursor.fileBytes ?? Int.max))
    }
    let tensor = GGUFTensor(name: name, dimensions: dimensions, format: format, offset: start, byteCount: byteCount)
    return Entry(tensor: tensor, place: place)
  }

  /// ggml's GGML_MAX_DIMS.
  private static let dimensionLimit = 4

  private mutating func dimensions(_ location: ModelFileError.Location) throws(HeaderStop) -> [Int] {
    let count = try cursor.number(UInt32.self, "a number of dimensions")
    guard count <= UInt32(Self.dimensionLimit) else {
      throw .fault(location, .tooManyDimensions(Int(count), limit: Self.dimensionLimit))
    }
    var dimensions: [Int] = []
    for _ in 0..<count {
      let length = try cursor.number(UInt64.self, "a dimension")
      guard length > 0, let length = Int(exactly: length) else {
        throw .fault(location, .invalidDimension(length))
      }
      dimensions.append(length)
    }
    return dimensions
  }

  private func byteCount(
    _ dimensions: [Int], _ format: BlockFormat, _ location: ModelFileError.Location
  ) throws(HeaderStop) -> Int {
    let row = dimensions.first ?? 1
    guard row % format.elementsPerBlock == 0 else {
      throw .fault(
        location, .partialBlock(rowLength: row, blockLength: format.elementsPerBlock, format: format.rawValue))
    }
    var elements = 1
    for length in dimensions {
      let (product, overflow) = elements.multipliedReportingOverflow(by: length)
      guard !overflow else { throw .fault(location, .tooManyElements) }
      elements = product
    }
    let (bytes, overflow) = (elements / format.elementsPerBlock).multipliedReportingOverflow(by: format.bytesPerBlock)
    guard !overflow else { throw .fault(location, .tooManyElements) }
    return bytes
  }

  /// Each tensor lies in the file, and no two share a byte.
  private func checkPlaces(_ entries: [Entry], dataOffset: Int) throws(HeaderStop) {
    for entry in entries {
      let tensor = entry.tensor
      let (end, overflow) = tensor.offset.addingReportingOverflow(tensor.byteCount)
      let (place, overflow2) = end.addingReportingOverflow(dataOffset)
      guard !overflow, !overflow2, place <= cursor.fileBytes ?? Int.max else {
        throw .fault(
          .tensor(tensor.name, offset: entry.place),
          .outsideFile(
            start: UInt64(tensor.offset) + UInt64(dataOffset), bytes: UInt64(tensor.byteCount),
            fileBytes: cursor.fileBytes ?? Int.max))
      }
    }
    let sorted = entries.sorted { $0.tensor.offset < $1.tensor.offset }
    for (first, second) in zip(sorted, sorted.dropFirst())
    where first.tensor.offset + first.tensor.byteCount > second.tensor.offset {
      throw .fault(.tensor(second.tensor.name, offset: second.place), .overlaps(other: first.tensor.name))
    }
  }
}
