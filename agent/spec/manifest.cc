// The manifest of this program, and the digests of manifests.

#include "agent/spec/manifest.h"

#include "agent/base/hash.h"

#ifndef RUNNEL_REVISION
#define RUNNEL_REVISION ""
#endif

namespace runnel {
namespace {

std::string target_arch() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#elif defined(__arm__)
  return "arm";
#elif defined(__riscv)
  return "riscv";
#else
  return "unknown";
#endif
}

}  // namespace

BuildInfo build_info() {
  BuildInfo info;
  info.version = RUNNEL_VERSION;
  info.revision = RUNNEL_REVISION;
  info.target_arch = target_arch();
#if defined(__clang__)
  info.compiler = "clang++ " __clang_version__;
#else
  info.compiler = "g++ " __VERSION__;
#endif
  return info;
}

std::vector<ComponentSpec> Manifest::specs() const {
  std::vector<ComponentSpec> all;
  for (const Bundle& bundle : bundles) {
    all.insert(all.end(), bundle.processors.begin(), bundle.processors.end());
  }
  for (const Bundle& bundle : bundles) {
    all.insert(all.end(), bundle.controller_services.begin(), bundle.controller_services.end());
  }
  return all;
}

std::vector<std::string> Manifest::types() const {
  std::vector<std::string> all;
  for (const Bundle& bundle : bundles) {
    for (const ComponentSpec& spec : bundle.processors) all.push_back(spec.type);
  }
  return all;
}

Manifest make_manifest(std::span<const ComponentSpec> specs,
                       std::vector<SupportedOperation> operations) {
  Manifest manifest;
  manifest.build = build_info();
  Bundle bundle;
  bundle.version = manifest.build.version;
  for (const ComponentSpec& spec : specs) {
    (spec.is_service() ? bundle.controller_services : bundle.processors).push_back(spec);
  }
  manifest.bundles.push_back(std::move(bundle));
  manifest.operations = std::move(operations);
  manifest.identifier =
      "runnel-" + manifest.build.version + '-' + bundles_hash(manifest).substr(0, 16);
  return manifest;
}

std::string manifest_hash(const Manifest& manifest) { return sha512_hex(to_json(manifest)); }

}  // namespace runnel
