// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// All of a safetensors file but its weights.
///
/// - Source: the safetensors format: a 64-bit little-endian length, a JSON object of that length, then the data.
package struct SafetensorsHeader: Sendable {
  package let tensors: [SafetensorsTensor]
  /// The free text under `__metadata__`, in the file's order.
  package let metadata: [(key: String, value: String)]
  /// Where the data begins, in bytes from the start of the file.
  package let dataOffset: Int

  /// A header of 16 MiB would list 100,000 tensors; the largest published ones have a few hundred kilobytes.
  package static let headerLimit = 16 << 20
}

/// One entry of a safetensors header.
package struct SafetensorsTensor: Sendable, Equatable {
  package let name: String
  package let element: SafetensorsElement
  /// Row-major: the contiguous dimension last; a matrix is (outputs, inputs).
  package let shape: [Int]
  /// From the start of the data.
  package let offset: Int
  package let byteCount: Int
}

/// The element types of safetensors.
package enum SafetensorsElement: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case f8e4m3 = "F8_E4M3"
  case f8e5m2 = "F8_E5M2"
  case f8e8m0 = "F8_E8M0"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case i64 = "I64"
  case u64 = "U64"
  case f64 = "F64"

  package var byteCount: Int {
    switch self {
    case .bool, .u8, .i8, .f8e4m3, .f8e5m2, .f8e8m0: 1
    case .i16, .u16, .f16, .bf16: 2
    case .i32, .u32, .f32: 4
    case .i64, .u64, .f64: 8
    }
  }

  /// The element as a storage format. Eight-bit floats and packed integers count as integers of their width: their
  /// scales are tensors of their own, and only the publisher's quantiser knows what they mean together.
  package var storage: BlockFormat {
    switch self {
    case .f16: .f16
    case .bf16: .bf16
    case .f32: .f32
    case .f64: .f64
    case .bool, .u8, .i8, .f8e4m3, .f8e5m2, .f8e8m0: .i8
    case .i16, .u16: .i16
    case .i32, .u32: .i32
    case .i64, .u64: .i64
    }
  }
}
