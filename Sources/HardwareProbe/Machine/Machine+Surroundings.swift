// SPDX-License-Identifier: Apache-2.0
internal import Hardware

extension Machine {
  /// What a hypervisor says of itself, in the order of how far it can be believed.
  var virtualisation: Virtualisation {
    if let leaves = cpuid.first, let bit = leaves.hasHypervisor {
      return bit
        ? .virtualMachine(hypervisor: leaves.name(leaf: 0x4000_0000).map(Self.hypervisorName) ?? "unknown")
        : dmi ?? .bareMetal
    }
    if let kind = files.text("/sys/hypervisor/type"), !kind.isEmpty {
      return .virtualMachine(hypervisor: kind == "xen" ? "Xen" : kind)
    }
    if let kind = files.text("/proc/device-tree/hypervisor/compatible"), !kind.isEmpty {
      return .virtualMachine(hypervisor: kind)
    }
    if let machine = dmi { return machine }
    guard let flags = InstructionFacts.processorFlags(files, key: "flags") else { return .unknown }
    return flags.contains("hypervisor") ? .virtualMachine(hypervisor: "unknown") : .bareMetal
  }

  /// Signatures of CPUID leaf 0x40000000 (Linux, arch/x86/kernel/cpu/hypervisor.c and its drivers).
  private static func hypervisorName(_ signature: String) -> String {
    let names = [
      "KVMKVMKVM": "KVM", "Microsoft Hv": "Hyper-V", "VMwareVMware": "VMware", "XenVMMXenVMM": "Xen",
      "TCGTCGTCGTCG": "QEMU", "VBoxVBoxVBox": "VirtualBox", "bhyve bhyve": "bhyve", "ACRNACRNACRN": "ACRN",
      "prl hyperv": "Parallels", "Jailhouse": "Jailhouse",
    ]
    return names[signature] ?? signature
  }

  /// Firmware tables name the maker of the machine; makers of virtual machines name themselves.
  private var dmi: Virtualisation? {
    let makers = [
      ("QEMU", "QEMU"), ("VMware", "VMware"), ("innotek", "VirtualBox"), ("Xen", "Xen"), ("Google Compute", "KVM"),
      ("OpenStack", "KVM"), ("Parallels", "Parallels"), ("Virtual Machine", "Hyper-V"), ("BHYVE", "bhyve"),
      ("KVM", "KVM"),
    ]
    let told = ["sys_vendor", "product_name", "bios_vendor"].compactMap { files.text("/sys/class/dmi/id/\($0)") }
    let found = makers.first { maker in told.contains { $0.contains(maker.0) } }
    return found.map { .virtualMachine(hypervisor: $0.1) }
  }

  /// The first sign of a container.
  var container: Container {
    if files.exists("/run/.containerenv") { return Container(kind: "podman", evidence: "/run/.containerenv") }
    if let kind = containerFromGroups { return kind }
    if files.exists("/var/run/secrets/kubernetes.io") {
      return Container(kind: "kubernetes", evidence: "/var/run/secrets/kubernetes.io")
    }
    if files.exists("/.dockerenv") { return Container(kind: "docker", evidence: "/.dockerenv") }
    if let kind = files.text("/run/systemd/container"), !kind.isEmpty {
      return Container(kind: kind, evidence: "/run/systemd/container")
    }
    if files.exists("/proc/vz"), !files.exists("/proc/bc") { return Container(kind: "openvz", evidence: "/proc/vz") }
    return Container()
  }

  private var containerFromGroups: Container? {
    let kinds = [
      ("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("lxc", "lxc"),
      ("machine.slice", "nspawn"),
      ("containerd", "containerd"), ("garden", "garden"),
    ]
    let path = "/proc/self/cgroup"
    let text = files.text(path) ?? ""
    return kinds.first { text.contains("/" + $0.0) || text.contains($0.0 + "-") }.map {
      Container(kind: $0.1, evidence: path)
    }
  }
}
