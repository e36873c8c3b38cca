// SPDX-License-Identifier: Apache-2.0

/// Byte strings with their numbers, found by hashing the bytes of a text in place.
///
/// The seed differs between runs of the program, so that nobody can make a vocabulary whose tokens all collide; what is
/// found does not depend on it.
struct ByteTable: Sendable {
  private static let seed = UInt64.random(in: .min ... .max)

  private let storage: [UInt8]
  private let starts: [Int]
  /// Numbers in the places that their hashes choose, the next free one where that is taken; -1 for none.
  private let slots: [Int32]

  var count: Int { starts.count - 1 }

  /// - Parameter strings: of equal ones the first is found.
  init(_ strings: [[UInt8]]) {
    var storage: [UInt8] = []
    storage.reserveCapacity(strings.reduce(0) { $0 + $1.count })
    var starts = [0]
    starts.reserveCapacity(strings.count + 1)
    var slots = [Int32](repeating: -1, count: Self.slotCount(strings.count))
    for (number, string) in strings.enumerated() {
      storage += string
      starts.append(storage.count)
      string.withUnsafeBufferPointer { bytes in
        let slot = Self.slot(of: bytes, slots, storage, starts)
        if slots[slot] < 0 { slots[slot] = Int32(number) }
      }
    }
    (self.storage, self.starts, self.slots) = (storage, starts, slots)
  }

  subscript(number: Int) -> ArraySlice<UInt8> { storage[starts[number]..<starts[number + 1]] }

  func number(of bytes: UnsafeBufferPointer<UInt8>) -> Int32? {
    let found = slots[Self.slot(of: bytes, slots, storage, starts)]
    return found < 0 ? nil : found
  }

  /// A power of two with half of it free.
  private static func slotCount(_ count: Int) -> Int {
    var result = 16
    while result < 2 * count { result *= 2 }
    return result
  }

  /// Where a string is, or where it would be put.
  private static func slot(
    of bytes: UnsafeBufferPointer<UInt8>, _ slots: [Int32], _ storage: [UInt8], _ starts: [Int]
  ) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash(bytes)) & mask
    while slots[slot] >= 0 {
      let number = Int(slots[slot])
      if equal(bytes, storage, starts[number]..<starts[number + 1]) { return slot }
      slot = (slot + 1) & mask
    }
    return slot
  }

  @inline(__always)
  private static func equal(_ bytes: UnsafeBufferPointer<UInt8>, _ storage: [UInt8], _ range: Range<Int>) -> Bool {
    guard range.count == bytes.count else { return false }
    for index in 0..<bytes.count where storage[range.lowerBound + index] != bytes[index] { return false }
    return true
  }

  /// Folded 64-bit products, eight bytes at a time.
  @inline(__always)
  private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var state = seed ^ UInt64(truncatingIfNeeded: bytes.count)
    var index = 0
    let raw = UnsafeRawBufferPointer(bytes)
    while index + 8 <= bytes.count {
      state = folded(state ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      index += 8
    }
    var rest: UInt64 = 0
    while index < bytes.count { (rest, index) = (rest << 8 | UInt64(bytes[index]), index + 1) }
    return folded(folded(state ^ rest))
  }

  @inline(__always)
  static func folded(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
  }
}

extension ByteTable {
  func number(of bytes: some Collection<UInt8>) -> Int32? {
    bytes.withContiguousStorageIfAvailable { number(of: $0) } ?? Array(bytes).withUnsafeBufferPointer { number(of: $0) }
  }
}

/// Pairs of tokens that may be joined: the rank of the join, smaller first, and the token that it makes.
struct PairTable: Sendable {
  struct Merge: Sendable {
    var rank: Int32
    var result: Int32
  }

  private static let seed = UInt64.random(in: .min ... .max)
  // No pair of tokens is two negative numbers.
  private static let free = UInt64.max

  private var keys: [UInt64]
  private var merges: [Merge]

  init(capacity: Int) {
    var count = 16
    while count < 2 * capacity { count *= 2 }
    keys = [UInt64](repeating: Self.free, count: count)
    merges = [Merge](repeating: Merge(rank: 0, result: 0), count: count)
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    let mask = keys.count - 1
    var slot = Int(truncatingIfNeeded: ByteTable.folded(key ^ Self.seed)) & mask
    while keys[slot] != Self.free, keys[slot] != key { slot = (slot + 1) & mask }
    return slot
  }

  @inline(__always)
  subscript(left: Int32, right: Int32) -> Merge? {
    let slot = slot(Self.key(left, right))
    return keys[slot] == Self.free ? nil : merges[slot]
  }

  /// Adds a pair; the first of equal ones holds. No more than the capacity may be added.
  mutating func add(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let key = Self.key(left, right)
    let slot = slot(key)
    guard keys[slot] == Self.free else { return }
    keys[slot] = key
    merges[slot] = merge
  }
}
