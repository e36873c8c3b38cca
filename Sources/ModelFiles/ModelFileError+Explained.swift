// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
package import Quantities

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension ModelFileError: ExplainedError {
  package var kind: String {
    switch self {
    case .unreadable: "file_unreadable"
    case .unwritable: "file_unwritable"
    case .notAModel: "not_a_model"
    case .configuration(_, let error): error.kind
    case .malformed(_, _, let fault): fault.kind
    }
  }

  package var message: String {
    switch self {
    case .unreadable(let path, let operation, let errno):
      "Cannot \(operation) '\(path)': \(Self.text(of: errno))."
    case .unwritable(let path, let operation, let errno):
      "Cannot \(operation) '\(path)': \(Self.text(of: errno))."
    case .notAModel(let path, let reason): "Cannot find a model in '\(path)': \(reason)."
    case .configuration(_, let error): error.message
    case .malformed(let path, let location, let fault):
      "Cannot read '\(path)' at \(location.description): \(fault.sentence)."
    }
  }

  package var remedy: String {
    switch self {
    case .unreadable(_, _, let number) where number == ENOENT: "Check the path."
    case .unreadable(let path, _, let number) where number == EACCES:
      "Make '\(path)' readable for this user."
    case .unreadable: "Check that the path names an ordinary file on a working disk."
    case .unwritable(let path, _, let number) where number == ENOSPC:
      "Free space on the disk of '\(path)', or write to another one."
    case .unwritable: "Choose a path in a folder that this user may write to."
    case .notAModel:
      "Give a .gguf file, a .safetensors file, a config.json, or a folder that holds config.json."
    case .configuration(_, let error): error.remedy
    case .malformed(_, _, let fault): fault.remedy
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .unwritable: .failure
    default: .badInput
    }
  }

  private static func text(of number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    return String(cString: text).lowercased()
  }
}

extension ModelFileError.Location: CustomStringConvertible {
  package var description: String {
    switch self {
    case .offset(let offset): "byte \(offset)"
    case .key(let key, nil): "key '\(key)'"
    case .key(let key, let offset?): "key '\(key)' (byte \(offset))"
    case .tensor(let name, nil): "tensor '\(name)'"
    case .tensor(let name, let offset?): "tensor '\(name)' (byte \(offset))"
    }
  }
}

extension FormatFault {
  package var kind: String {
    switch self {
    case .wrongMagic: "not_a_model"
    case .unsupportedVersion, .bigEndian: "unsupported_version"
    case .truncated, .outsideFile: "file_truncated"
    case .unknownTensorType, .unknownElementType: "unknown_tensor_type"
    default: "file_malformed"
    }
  }

  /// The fault as the second half of a sentence.
  var sentence: String {
    switch self {
    case .wrongMagic(let found, let expected):
      "expected \(expected), found the bytes \(found.map { hexadecimal($0) }.joined(separator: " "))"
    case .unsupportedVersion(let version, let supported):
      "the format version is \(version); versions \(supported.lowerBound) to \(supported.upperBound) can be read"
    case .bigEndian: "the file is big-endian"
    case .truncated(let what, let needed, let remaining):
      "\(what) needs \(needed) bytes, but only \(remaining) remain in the file"
    case .tooMany(let what, let count, let limit):
      "the file states \(count) \(what), but has room for at most \(limit)"
    case .tooLong(let what, let bytes, let limit): "\(what) has \(bytes) bytes; at most \(limit) are read"
    case .unknownValueType(let number): "the metadata value type \(number) is unknown (known are 0 to 12)"
    case .unknownTensorType(let number): "the tensor type \(number) is unknown"
    case .unknownElementType(let name): "the element type '\(name)' is unknown"
    case .invalidText(let what): "\(what) is not valid UTF-8"
    case .invalidBoolean(let byte): "a truth value is stored as \(byte); expected 0 or 1"
    case .duplicate(let what): "\(what) appears twice"
    case .tooManyDimensions(let count, let limit): "it has \(count) dimensions; expected at most \(limit)"
    case .invalidDimension(let size): "it has a dimension of \(size); expected 1 or more"
    case .partialBlock(let row, let block, let format):
      "its rows have \(row) elements, which is no multiple of the \(block) of a block of \(format)"
    case .tooManyElements: "the product of its dimensions exceeds 2^63"
    case .misaligned(let offset, let alignment):
      "its data starts at \(offset), which is no multiple of the alignment \(alignment)"
    case .invalidAlignment(let value): "the alignment is \(value); expected a power of two from 8 to 65536"
    case .outsideFile(let start, let bytes, let file):
      "its \(bytes) bytes from \(start) end beyond the file, which has \(file) bytes"
    case .overlaps(let other): "its data overlaps that of '\(other)'"
    case .wrongByteCount(let found, let expected): "it has \(found) bytes; its shape and type need \(expected)"
    case .invalidJSON(let fault): "\(fault.reason)"
    case .missing(let expected): "it is missing; expected \(expected)"
    case .wrongType(let found, let expected): "found \(found); expected \(expected)"
    case .wrongValue(let found, let expected): "found \(found); expected \(expected)"
    }
  }

  var remedy: String {
    switch self {
    case .wrongMagic: "Give a GGUF file, a safetensors file or a config.json."
    case .unsupportedVersion: "Convert the model again with a current converter, or update this program."
    case .bigEndian: "Convert the model for little-endian machines."
    case .truncated, .outsideFile: "Download the file again; it is probably incomplete."
    case .unknownTensorType, .unknownElementType:
      "Update this program, or use a file with a documented tensor type."
    case .missing, .wrongType, .wrongValue: "Correct the entry, or fetch the file again from its publisher."
    default: "Fetch the file again from its publisher and compare its checksum; it is damaged or was written wrongly."
    }
  }

  private func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }
}
