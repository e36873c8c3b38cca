// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension SafetensorsHeader {
  /// What a part of a file gives.
  package enum Outcome: Sendable {
    case complete(SafetensorsHeader)
    /// Call again with at least so many bytes from the start of the file.
    case needsMoreBytes(atLeast: Int)
  }

  /// Reads the header of a safetensors file from its first bytes.
  ///
  /// - Parameters: as of `GGUFHeader.read`.
  /// - Throws: `ModelFileError.malformed`.
  package static func read(
    _ bytes: UnsafeRawBufferPointer, fileBytes: Int?, path: String
  ) throws(ModelFileError) -> Outcome {
    var reader = SafetensorsHeaderReader(cursor: ByteCursor(bytes: bytes, fileBytes: fileBytes))
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

private struct SafetensorsHeaderReader {
  var cursor: ByteCursor

  mutating func header() throws(HeaderStop) -> SafetensorsHeader {
    let members = try object()
    let dataBytes = cursor.fileBytes.map { $0 - cursor.offset } ?? Int.max
    var tensors: [SafetensorsTensor] = []
    var metadata: [(key: String, value: String)] = []
    var names: Set<String> = []
    for member in members {
      if member.key == "__metadata__" {
        metadata = (member.value.members ?? []).map { ($0.key, $0.value.stringValue ?? "") }
        continue
      }
      guard names.insert(member.key).inserted else {
        throw .fault(.tensor(member.key, offset: nil), .duplicate(what: "the name"))
      }
      tensors.append(try tensor(member, dataBytes: dataBytes))
    }
    try checkOverlaps(tensors)
    return SafetensorsHeader(tensors: tensors, metadata: metadata, dataOffset: cursor.offset)
  }

  /// The JSON object behind the length.
  private mutating func object() throws(HeaderStop) -> [JSON.Member] {
    let length = try cursor.number(UInt64.self, "the length of the header")
    let limit = SafetensorsHeader.headerLimit
    guard length <= UInt64(limit) else {
      throw .fault(.offset(0), .tooLong(what: "the header", bytes: length, limit: limit))
    }
    try cursor.require(length, "the header")
    let text = Array(cursor.bytes[8..<8 + Int(length)])
    let value: JSON
    do throws(JSONError) {
      value = try JSON(parsing: text)
    } catch {
      throw .fault(.offset(8 + error.offset), .invalidJSON(JSONFault(error)))
    }
    guard let members = value.members else {
      throw .fault(.offset(8), .wrongType(found: value.typeName, expected: "a JSON object of tensors"))
    }
    cursor.skip(Int(length))
    return members
  }

  private func tensor(_ member: JSON.Member, dataBytes: Int) throws(HeaderStop) -> SafetensorsTensor {
    let location = ModelFileError.Location.tensor(member.key, offset: nil)
    guard let typeName = member.value["dtype"]?.stringValue else {
      throw .fault(location, .missing(expected: "a text under 'dtype'"))
    }
    guard let element = SafetensorsElement(rawValue: typeName) else {
      throw .fault(location, .unknownElementType(String(typeName.prefix(40))))
    }
    let shape = try numbers(member.value["shape"], "shape", location)
    let range = try numbers(member.value["data_offsets"], "data_offsets", location)
    guard range.count == 2, range[0] <= range[1] else {
      throw .fault(location, .missing(expected: "two ascending numbers under 'data_offsets'"))
    }
    guard range[1] <= dataBytes else {
      throw .fault(
        location,
        .outsideFile(
          start: UInt64(cursor.offset) + UInt64(range[0]), bytes: UInt64(range[1] - range[0]),
          fileBytes: cursor.fileBytes ?? Int.max))
    }
    let expected = try byteCount(shape, element, location)
    guard range[1] - range[0] == expected else {
      throw .fault(location, .wrongByteCount(found: UInt64(range[1] - range[0]), expected: UInt64(expected)))
    }
    return SafetensorsTensor(
      name: member.key, element: element, shape: shape, offset: range[0], byteCount: expected)
  }

  private func numbers(
    _ value: JSON?, _ key: String, _ location: ModelFileError.Location
  ) throws(HeaderStop) -> [Int] {
    guard let values = value?.arrayValue, values.count <= 8 else {
      throw .fault(location, .missing(expected: "a list of at most 8 numbers under '\(key)'"))
    }
    var numbers: [Int] = []
    for value in values {
      guard let number = value.intValue, number >= 0 else {
        throw .fault(location, .wrongType(found: value.typeName, expected: "whole numbers under '\(key)'"))
      }
      numbers.append(number)
    }
    return numbers
  }

  private func byteCount(
    _ shape: [Int], _ element: SafetensorsElement, _ location: ModelFileError.Location
  ) throws(HeaderStop) -> Int {
    var count = element.byteCount
    for length in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: length)
      guard !overflow else { throw .fault(location, .tooManyElements) }
      count = product
    }
    return count
  }

  private func checkOverlaps(_ tensors: [SafetensorsTensor]) throws(HeaderStop) {
    let sorted = tensors.sorted { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }
    for (first, second) in zip(sorted, sorted.dropFirst()) where first.offset + first.byteCount > second.offset {
      throw .fault(.tensor(second.name, offset: nil), .overlaps(other: first.name))
    }
  }
}
