// SPDX-License-Identifier: Apache-2.0

/// The 512-byte header of one entry of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format").
struct TarHeader: Equatable {
  static let blockSize = 512

  enum Kind: Equatable {
    case file, folder, link
    /// GNU's long name, or a pax record: the content tells the name of the entry that follows.
    case longName, record
    case other
  }

  var name: String
  var size: Int
  var kind: Kind
  var linkTarget: String

  /// nil for the block of zeros that ends an archive.
  init?(_ block: ArraySlice<UInt8>) throws(TarDamage) {
    let bytes = Array(block)
    guard bytes.contains(where: { $0 != 0 }) else { return nil }
    // The sum is taken with the sum's own field as spaces.
    let sum = bytes.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
    guard let told = Self.octal(bytes[148..<156]), told == sum else {
      throw TarDamage("the checksum of a header is wrong")
    }
    guard let size = Self.octal(bytes[124..<136]) else { throw TarDamage("the size in a header is no octal number") }
    self.size = size
    let prefix = bytes[257..<262].elementsEqual("ustar".utf8) && bytes[262] == 0 ? Self.text(bytes[345..<500]) : ""
    let base = Self.text(bytes[0..<100])
    name = prefix.isEmpty ? base : "\(prefix)/\(base)"
    linkTarget = Self.text(bytes[157..<257])
    switch bytes[156] {
    case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): kind = .file
    case UInt8(ascii: "5"): kind = .folder
    case UInt8(ascii: "2"): kind = .link
    case UInt8(ascii: "L"): kind = .longName
    case UInt8(ascii: "x"): kind = .record
    default: kind = .other
    }
  }

  /// Header blocks of a file: one, or three when the name needs an entry of its own. Times and owners are zero, so that
  /// the same content gives the same archive.
  static func blocks(name: String, size: Int) -> [UInt8] {
    let bytes = Array(name.utf8)
    if bytes.count <= 100 { return block(bytes, size, UInt8(ascii: "0")) }
    let padded = bytes + [UInt8](repeating: 0, count: padding(bytes.count))
    return block(Array("././@LongLink".utf8), bytes.count, UInt8(ascii: "L")) + padded
      + block(Array(bytes.prefix(100)), size, UInt8(ascii: "0"))
  }

  /// Zeros that fill the last block of so many bytes.
  static func padding(_ size: Int) -> Int { (blockSize - size % blockSize) % blockSize }

  private static func block(_ name: [UInt8], _ size: Int, _ type: UInt8) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: blockSize)
    func put(_ bytes: some Collection<UInt8>, at place: Int) {
      for (offset, byte) in bytes.enumerated() { block[place + offset] = byte }
    }
    put(name, at: 0)
    put("0000644\0".utf8, at: 100)
    for place in [108, 116] { put("0000000\0".utf8, at: place) }
    put(octalText(size, digits: 11).utf8, at: 124)
    put(octalText(0, digits: 11).utf8, at: 136)
    put("        ".utf8, at: 148)
    block[156] = type
    put("ustar\0".utf8, at: 257)
    put("00".utf8, at: 263)
    put((octalText(block.reduce(0) { $0 + Int($1) }, digits: 6) + "\0 ").utf8, at: 148)
    return block
  }

  private static func octalText(_ number: Int, digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  private static func text(_ field: ArraySlice<UInt8>) -> String {
    String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
  }

  private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
    Int(text(field).trimmed, radix: 8).flatMap { $0 >= 0 && $0 < 1 << 40 ? $0 : nil }
  }
}

/// What is wrong with an archive.
struct TarDamage: Error, Equatable {
  var reason: String
  init(_ reason: String) { self.reason = reason }
}
