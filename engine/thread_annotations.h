#pragma once

// Annotations that clang checks with -Wthread-safety (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html). Other
// compilers ignore them. They work with Mutex and MutexLock of engine/mutex.h; std::mutex is not annotated in
// libstdc++.

#if defined(__clang__)
#define ANABRANCH_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define ANABRANCH_THREAD_ATTRIBUTE(x)
#endif

// Of data: read and written only with the mutex held; for PT_GUARDED_BY, what a pointer points to.
#define GUARDED_BY(mutex) ANABRANCH_THREAD_ATTRIBUTE(guarded_by(mutex))
#define PT_GUARDED_BY(mutex) ANABRANCH_THREAD_ATTRIBUTE(pt_guarded_by(mutex))

// Of a function: its caller holds the mutex, or must not hold it (the function takes it).
#define REQUIRES(...) ANABRANCH_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) ANABRANCH_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

// Of a mutex: the order in which two of them are locked.
#define ACQUIRED_BEFORE(...) ANABRANCH_THREAD_ATTRIBUTE(acquired_before(__VA_ARGS__))
#define ACQUIRED_AFTER(...) ANABRANCH_THREAD_ATTRIBUTE(acquired_after(__VA_ARGS__))

// For engine/mutex.h, and for code that the analysis cannot follow (say why beside it).
#define CAPABILITY(name) ANABRANCH_THREAD_ATTRIBUTE(capability(name))
#define SCOPED_CAPABILITY ANABRANCH_THREAD_ATTRIBUTE(scoped_lockable)
#define ACQUIRE(...) ANABRANCH_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) ANABRANCH_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RELEASE(...) ANABRANCH_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS ANABRANCH_THREAD_ATTRIBUTE(no_thread_safety_analysis)
