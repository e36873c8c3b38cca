// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Quantities

/// This process' resident memory as the kernel counts it.
package enum ResidentMemory {
  /// Resident now; nil where `/proc` cannot be read.
  package static func now() -> ByteCount? { field("VmRSS:") }

  /// The most that was resident since `resetPeak`, or since the process started.
  package static func peak() -> ByteCount? { field("VmHWM:") }

  /// Lets the peak start again from what is resident now; false where the kernel does not allow it.
  package static func resetPeak() -> Bool {
    let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // 5 resets the high-water mark (proc(5)).
    return write(descriptor, "5", 1) == 1
  }

  private static func field(_ name: String) -> ByteCount? {
    guard let file = fopen("/proc/self/status", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = line.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
      guard text.hasPrefix(name) else { continue }
      let digits = text.filter(\.isNumber)
      return Int64(digits).map { ByteCount($0 * 1024) }
    }
    return nil
  }
}
