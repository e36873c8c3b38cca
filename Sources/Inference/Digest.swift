// SPDX-License-Identifier: Apache-2.0

/// A name for bytes: 64 bits of FNV-1a over words of eight bytes, the rest mixed with the length.
struct Digest {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  var text: String { String(state, radix: 16) }

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let whole = bytes.count / 8 * 8
    for offset in stride(from: 0, to: whole, by: 8) {
      mix(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    mix(bytes[whole...].reversed().reduce(UInt64(bytes.count)) { $0 << 8 | UInt64($1) })
  }

  mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  private mutating func mix(_ word: UInt64) {
    state = (state ^ word) &* 0x100_0000_01b3
    // A word's high bits reach only high bits of the product.
    state ^= state >> 32
  }
}
