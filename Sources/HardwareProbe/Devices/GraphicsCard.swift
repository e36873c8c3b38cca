// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// An AMD or Intel card as its DRM driver shows it (Linux, Documentation/gpu/amdgpu, and the i915 and xe drivers).
struct GraphicsCard {
  var accelerator: Accelerator
  /// The device's PCI address, where the driver tells it.
  var address: String

  /// Cards whose maker has compute drivers; NVML speaks for NVIDIA's.
  static func all(_ files: FileTree) -> [GraphicsCard] {
    files.names(in: "/sys/class/drm").filter { $0.hasPrefix("card") && Int($0.dropFirst(4)) != nil }.compactMap {
      card in
      let path = "/sys/class/drm/\(card)"
      let address = files.value("PCI_SLOT_NAME=", in: "\(path)/device/uevent") ?? ""
      switch files.hexadecimal("\(path)/device/vendor") {
      case 0x1002: return GraphicsCard(accelerator: amd(files, path), address: address)
      case 0x8086: return GraphicsCard(accelerator: intel(files, path), address: address)
      default: return nil
      }
    }
  }

  private static func amd(_ files: FileTree, _ path: String) -> Accelerator {
    let kernel = ComputeNode.all(files).first { files.exists("\(path)/device/drm/renderD\($0.renderMinor)") }
    let total = bytes(files, "\(path)/device/mem_info_vram_total")
    let used = bytes(files, "\(path)/device/mem_info_vram_used")
    let isIntegrated = kernel?.hasProcessorCores ?? false
    let number = files.hexadecimal("\(path)/device/device").map { hexadecimal($0) } ?? "unknown"
    return Accelerator(
      name: files.text("\(path)/device/product_name").flatMap { $0.isEmpty ? nil : $0 } ?? "AMD GPU \(number)",
      vendor: "AMD", kind: isIntegrated ? .integratedGPU : .gpu, memoryTotal: total,
      memoryFree: total.combined(with: used) { ByteCount(max(0, $0.bytes - $1.bytes)) }, hasUnifiedMemory: isIntegrated,
      computeCapability: kernel?.target,
      links: isIntegrated ? DeviceLinks() : files.links("\(path)/device"), source: path)
  }

  private static func intel(_ files: FileTree, _ path: String) -> Accelerator {
    let number = files.hexadecimal("\(path)/device/device").map { hexadecimal($0) } ?? "unknown"
    // Only cards with memory of their own have local memory (`lmem`, and VRAM in the newer driver).
    let own = ["\(path)/lmem_total_bytes", "\(path)/device/tile0/vram0/size"].first { files.exists($0) }
    let memory = MemoryReading(files)
    // These cards hide their link behind a switch of their own, which tells one lane of the first generation.
    guard let own else {
      return Accelerator(
        name: "Intel GPU \(number)", vendor: "Intel", kind: .integratedGPU, memoryTotal: memory.total,
        memoryFree: memory.available, hasUnifiedMemory: true, source: path)
    }
    return Accelerator(
      name: "Intel GPU \(number)", vendor: "Intel", kind: .gpu, memoryTotal: bytes(files, own),
      memoryFree: bytes(files, "\(path)/lmem_avail_bytes"), source: path)
  }

  private static func bytes(_ files: FileTree, _ path: String) -> Known<ByteCount> {
    do {
      let text = String(decoding: try files.bytes(path), as: UTF8.self).trimmed
      guard let value = Int(text), value >= 0, value <= 1 << 60 else {
        return .unknown(reason: "'\(path)' holds no number of bytes")
      }
      return .exact(ByteCount(value), .measured)
    } catch {
      return .unknown(reason: "'\(path)' was not read: \(error)")
    }
  }
}

/// A node of AMD's compute driver (KFD).
struct ComputeNode {
  var renderMinor: Int
  /// Processor cores and GPU in one node share their memory.
  var hasProcessorCores: Bool
  /// The compiler's name for the device: version 90010 is gfx90a (two decimal digits each for minor and stepping).
  var target: String?

  static func all(_ files: FileTree) -> [ComputeNode] {
    let folder = "/sys/class/kfd/kfd/topology/nodes"
    return files.names(in: folder).compactMap { node in
      let path = "\(folder)/\(node)/properties"
      func number(_ key: String) -> Int? { files.value(key, in: path).flatMap { Int($0) } }
      guard let simds = number("simd_count"), simds > 0, let minor = number("drm_render_minor") else { return nil }
      let version = number("gfx_target_version").flatMap { $0 > 0 ? $0 : nil }
      return ComputeNode(
        renderMinor: minor, hasProcessorCores: (number("cpu_cores_count") ?? 0) > 0,
        target: version.map { "gfx\($0 / 10000)\($0 / 100 % 100)\(String($0 % 100, radix: 16))" })
    }
  }
}
