// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Hardware
internal import Quantities

extension Machine {
  /// The kernel's word for the instruction set architecture; `unknown` when a recording does not tell.
  var architecture: String {
    if let told = files.text("/proc/sys/kernel/arch"), !told.isEmpty { return told }
    if let told = files.value("Architecture", in: Self.callsFile), !told.isEmpty { return told }
    return isLive ? Self.kernelArchitecture : recordedArchitecture
  }

  /// Where hwloc's recordings keep what system calls told.
  static let callsFile = "/proc/hwloc-nofile-info"

  private static var kernelArchitecture: String {
    var name = utsname()
    guard uname(&name) == 0 else { return "unknown" }
    return withUnsafeBytes(of: name.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// `/proc/cpuinfo` names its fields differently on every architecture (Linux, arch/*/kernel).
  private var recordedArchitecture: String {
    if let leaves = cpuid.first {
      // Leaf 0x80000001, edx bit 29: 64-bit mode.
      return leaves[0x8000_0001].map { $0.edx & (1 << 29) != 0 } ?? true ? "x86_64" : "i686"
    }
    let lines = files.lines("/proc/cpuinfo").prefix(64)
    func has(_ key: String, _ value: String = "") -> Bool {
      lines.contains { $0.hasPrefix(key) && $0.contains(value) }
    }
    if has("vendor_id", "IBM/S390") { return "s390x" }
    if has("flags", " lm") { return "x86_64" }
    if has("flags") { return "i686" }
    if has("CPU architecture", "8") { return "aarch64" }
    if has("CPU architecture") || has("Processor", "ARM") { return "arm" }
    if has("cpu", "POWER") { return "ppc64" }
    if has("isa", "rv") { return "riscv64" }
    return has("arch", "IA-64") ? "ia64" : "unknown"
  }

  var operatingSystem: OperatingSystem? {
    let kernel = files.text("/proc/sys/kernel/osrelease")
    let name = files.value("PRETTY_NAME=", in: "/etc/os-release").map { $0.filter { $0 != "\"" } }
    guard kernel != nil || name != nil else { return nil }
    return OperatingSystem(name: name ?? "Linux", kernel: kernel.map { "Linux \($0)" } ?? "unknown")
  }

  /// Block devices with a medium of their own: no loops, RAM disks, compressed memory or device-mapper layers.
  var storage: [StorageDevice] {
    files.names(in: "/sys/block").filter { name in
      !["loop", "ram", "zram", "dm-", "md", "sr", "fd"].contains { name.hasPrefix($0) }
    }.map { name in
      // `size` counts 512-byte sectors whatever the device's own sector is (Linux, Documentation/ABI/stable/sysfs-block).
      let sectors = files.int("/sys/block/\(name)/size").flatMap { $0 >= 0 && $0 < 1 << 50 ? $0 : nil }
      let rotational = files.int("/sys/block/\(name)/queue/rotational").map { $0 != 0 }
      return StorageDevice(name: name, capacity: sectors.map { ByteCount($0 * 512) }, isRotational: rotational)
    }
  }
}
