/* SPDX-License-Identifier: Apache-2.0
 * asan - HDE_ASAN: 1 in a build with AddressSanitizer, by gcc or clang, otherwise 0. */
#ifndef BASE_ASAN_H
#define BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define HDE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HDE_ASAN 1
#endif
#endif
#ifndef HDE_ASAN
#define HDE_ASAN 0
#endif

#endif
