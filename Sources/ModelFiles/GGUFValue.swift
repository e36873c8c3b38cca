// SPDX-License-Identifier: Apache-2.0

/// A metadata value of a GGUF file, in the exact type that the file states.
///
/// - Source: the GGUF specification (ggml, docs/gguf.md): value types 0 to 12.
package enum GGUFValue: Sendable, Equatable {
  case uint8(UInt8), int8(Int8), uint16(UInt16), int16(Int16), uint32(UInt32), int32(Int32)
  case float32(Float), bool(Bool), string(String), array(GGUFArray)
  case uint64(UInt64), int64(Int64), float64(Double)

  /// Any whole number that fits.
  package var intValue: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    default: nil
    }
  }

  /// Any number.
  package var doubleValue: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: intValue.map(Double.init)
    }
  }

  package var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  package var arrayValue: GGUFArray? { if case .array(let value) = self { value } else { nil } }

  package var type: GGUFValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .array: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }
}

/// The type numbers of GGUF metadata.
package enum GGUFValueType: UInt32, Sendable, CaseIterable {
  case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

  /// Bytes of one value; nil where values differ in length.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }

  /// The fewest bytes that one element of an array occupies: a string has a length, an array a type and a count.
  var minimumByteCount: Int { byteCount ?? (self == .string ? 8 : 12) }
}

/// An array of GGUF metadata, kept as the bytes of the file: a vocabulary of 150,000 tokens costs one copy and no
/// string until somebody asks for one.
package struct GGUFArray: Sendable, Equatable {
  package let elementType: GGUFValueType
  package let count: Int
  /// Numbers one after another in little-endian order; strings each behind a 64-bit length.
  let storage: [UInt8]
  /// Where the text of each string begins in `storage`, and 8 beyond the end; empty for numbers.
  let starts: [Int]
  /// The elements of an array of arrays.
  package let nested: [GGUFArray]

  init(elementType: GGUFValueType, count: Int, storage: [UInt8], starts: [Int] = [], nested: [GGUFArray] = []) {
    self.elementType = elementType
    self.count = count
    self.storage = storage
    self.starts = starts
    self.nested = nested
  }

  /// The UTF-8 (or raw) bytes of a string element.
  ///
  /// - Precondition: the elements are strings and `index` is one of them.
  package func utf8(at index: Int) -> ArraySlice<UInt8> { storage[starts[index]..<starts[index + 1] - 8] }

  /// All strings, damaged UTF-8 repaired; nil when the elements are not strings.
  package var strings: [String]? {
    guard elementType == .string else { return nil }
    return (0..<count).map { String(decoding: utf8(at: $0), as: UTF8.self) }
  }

  /// All whole numbers; nil when the elements are something else or do not fit.
  package var integers: [Int]? {
    switch elementType {
    case .uint8: numbers(UInt8.self).map(Int.init)
    case .int8: numbers(Int8.self).map(Int.init)
    case .uint16: numbers(UInt16.self).map(Int.init)
    case .int16: numbers(Int16.self).map(Int.init)
    case .uint32: numbers(UInt32.self).map(Int.init)
    case .int32: numbers(Int32.self).map(Int.init)
    case .int64: numbers(Int64.self).map(Int.init)
    case .uint64:
      numbers(UInt64.self).contains { $0 > UInt64(Int.max) } ? nil : numbers(UInt64.self).map { Int($0) }
    default: nil
    }
  }

  package var floats: [Float]? {
    switch elementType {
    case .float32: numbers(UInt32.self).map { Float(bitPattern: $0) }
    case .float64: numbers(UInt64.self).map { Float(Double(bitPattern: $0)) }
    default: nil
    }
  }

  package var booleans: [Bool]? { elementType == .bool ? storage.map { $0 != 0 } : nil }

  private func numbers<Number: FixedWidthInteger>(_ type: Number.Type) -> [Number] {
    storage.withUnsafeBytes { bytes in
      (0..<count).map {
        Number(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Number>.size, as: Number.self))
      }
    }
  }
}

extension GGUFArray {
  package init(_ strings: [String]) { self.init(utf8: strings.map { Array($0.utf8) }) }

  /// Strings given as bytes: tokens need not be valid UTF-8.
  package init(utf8 strings: [[UInt8]]) {
    var storage: [UInt8] = []
    var starts: [Int] = []
    for string in strings {
      withUnsafeBytes(of: UInt64(string.count).littleEndian) { storage.append(contentsOf: $0) }
      starts.append(storage.count)
      storage.append(contentsOf: string)
    }
    starts.append(storage.count + 8)
    self.init(elementType: .string, count: strings.count, storage: storage, starts: starts)
  }

  package init(_ values: [Int32]) { self.init(.int32, values) }
  package init(_ values: [UInt32]) { self.init(.uint32, values) }
  package init(_ values: [Float]) { self.init(.float32, values.map(\.bitPattern)) }
  package init(_ values: [Bool]) { self.init(.bool, values.map { UInt8($0 ? 1 : 0) }) }

  private init<Number: FixedWidthInteger>(_ type: GGUFValueType, _ values: [Number]) {
    var storage: [UInt8] = []
    storage.reserveCapacity(values.count * MemoryLayout<Number>.size)
    for value in values { withUnsafeBytes(of: value.littleEndian) { storage.append(contentsOf: $0) } }
    self.init(elementType: type, count: values.count, storage: storage)
  }
}
