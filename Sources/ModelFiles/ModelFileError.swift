// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Why a model file cannot be used, with the file and the place in it.
package enum ModelFileError: Error, Equatable, Sendable {
  /// A system call on the file failed.
  case unreadable(path: String, operation: String, errno: Int32)
  case unwritable(path: String, operation: String, errno: Int32)
  /// Something in the file contradicts its format.
  case malformed(path: String, at: Location, FormatFault)
  /// The configuration describes no model; the cause names its key.
  case configuration(path: String, ConfigurationError)
  /// Neither a file nor a folder that holds a model.
  case notAModel(path: String, reason: String)

  /// Where in a file something is wrong.
  package enum Location: Equatable, Sendable {
    /// Bytes from the start of the file.
    case offset(Int)
    /// A key of the file's metadata or JSON, with the offset where there is one.
    case key(String, offset: Int?)
    /// A tensor by its name, with the offset of its entry where there is one.
    case tensor(String, offset: Int?)
  }
}

/// What contradicts the format. Cases carry what was found and what would have been right.
package enum FormatFault: Error, Equatable, Sendable {
  case wrongMagic(found: [UInt8], expected: String)
  case unsupportedVersion(UInt32, supported: ClosedRange<UInt32>)
  case bigEndian
  /// The file ends before what must follow.
  case truncated(what: String, neededBytes: UInt64, remainingBytes: Int)
  /// A count or length that the rest of the file cannot hold.
  case tooMany(what: String, count: UInt64, limit: UInt64)
  /// More text than any real model needs: reading it would cost more memory than it is worth.
  case tooLong(what: String, bytes: UInt64, limit: Int)
  case unknownValueType(UInt32)
  case unknownTensorType(number: UInt32)
  case unknownElementType(String)
  case invalidText(what: String)
  case invalidBoolean(UInt8)
  case duplicate(what: String)
  case tooManyDimensions(Int, limit: Int)
  case invalidDimension(UInt64)
  case partialBlock(rowLength: Int, blockLength: Int, format: String)
  case tooManyElements
  case misaligned(offset: UInt64, alignment: Int)
  case invalidAlignment(UInt64)
  case outsideFile(start: UInt64, bytes: UInt64, fileBytes: Int)
  case overlaps(other: String)
  case wrongByteCount(found: UInt64, expected: UInt64)
  case invalidJSON(JSONFault)
  case missing(expected: String)
  case wrongType(found: String, expected: String)
  case wrongValue(found: String, expected: String)
}
