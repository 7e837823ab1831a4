"""List the system calls that the seccomp filter names, as `name x86_64 aarch64` (`-`: the machine lacks it).

Taken from the kernel's `asm/unistd_64.h` and `asm-generic/unistd.h`; both are part of the stable kernel interface.
"""

import platform

ALLOWED = """
access 21 -; alarm 37 -; arch_prctl 158 -; brk 12 214; capget 125 90; chdir 80 49; clock_getres 229 114;
clock_gettime 228 113; clock_nanosleep 230 115; close 3 57; close_range 436 436; copy_file_range 326 285;
creat 85 -; dup 32 23; dup2 33 -; dup3 292 24; epoll_create 213 -; epoll_create1 291 20; epoll_ctl 233 21;
epoll_pwait 281 22; epoll_pwait2 441 441; epoll_wait 232 -; eventfd 284 -; eventfd2 290 19; exit 60 93;
exit_group 231 94; faccessat 269 48; faccessat2 439 439; fadvise64 221 223; fchdir 81 50; fdatasync 75 83;
fgetxattr 193 10; flistxattr 196 13; flock 73 32; fstat 5 80; fstatfs 138 44; fsync 74 82; ftruncate 77 46;
futex 202 98; get_robust_list 274 100; getcpu 309 168; getcwd 79 17; getdents 78 -; getdents64 217 61;
getegid 108 177; geteuid 107 175; getgid 104 176; getgroups 115 158; getitimer 36 102; getpeername 52 205;
getpgrp 111 -; getpid 39 172; getppid 110 173; getrandom 318 278; getresgid 120 150; getresuid 118 148;
getrlimit 97 163; getrusage 98 165; getsockname 51 204; getsockopt 55 209; gettid 186 178; gettimeofday 96
169; getuid 102 174; link 86 -; linkat 265 37; lseek 8 62; lstat 6 -; madvise 28 233; membarrier 324 283;
mincore 27 232; mkdir 83 -; mkdirat 258 34; mlock 149 228; mlock2 325 284; mmap 9 222; mprotect 10 226;
mremap 25 216; msync 26 227; munlock 150 229; munmap 11 215; nanosleep 35 101; newfstatat 262 79; pause 34
-; pipe 22 -; pipe2 293 59; poll 7 -; ppoll 271 73; pread64 17 67; preadv 295 69; preadv2 327 286; pselect6
270 72; pwrite64 18 68; pwritev 296 70; pwritev2 328 287; read 0 63; readahead 187 213; readlink 89 -;
readlinkat 267 78; readv 19 65; recvfrom 45 207; recvmsg 47 212; rename 82 -; renameat 264 38; renameat2 316
276; restart_syscall 219 128; rmdir 84 -; rseq 334 293; rt_sigaction 13 134; rt_sigpending 127 136;
rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigsuspend 130 133; rt_sigtimedwait 128 137;
sched_get_priority_max 146 125; sched_get_priority_min 147 126; sched_yield 24 124; select 23 -; sendfile 40
71; set_robust_list 273 99; set_tid_address 218 96; setitimer 38 103; setrlimit 160 164; shutdown 48 210;
sigaltstack 131 132; signalfd 282 -; signalfd4 289 74; splice 275 76; stat 4 -; statfs 137 43; statx 332
291; symlink 88 -; symlinkat 266 36; sync_file_range 277 84; sysinfo 99 179; tee 276 77; time 201 -;
timer_create 222 107; timer_delete 226 111; timer_getoverrun 225 109; timer_gettime 224 108; timer_settime
223 110; timerfd_create 283 85; timerfd_gettime 287 87; timerfd_settime 286 86; times 100 153; umask 95 166;
uname 63 160; unlink 87 -; unlinkat 263 35; wait4 61 260; waitid 247 95; write 1 64; writev 20 66
"""
"""Calls that affect only the process itself, or files, which Landlock guards."""

OWNERS = "chown 92 -; fchown 93 55; fchownat 260 54; lchown 94 -"
"""Calls that change files' owners. Where devices are on no read-only mount, they report success without effect, since
any user may ask for the owner that a device has, which changes its times."""

METADATA = f"""
{OWNERS}; chmod 90 -; fchmod 91 52; fchmodat 268 53; futimesat 261 -; utime 132 -; utimensat 280 88; utimes 235 -
"""
"""Calls that change files' metadata, which Landlock does not guard. In tier B they report success without effect. In
tier A a program can change only its own files: all others are on mounts that are read-only, but for an ordinary user's
devices."""

BY_ARGUMENTS = """
clone3 435 435; fallocate 285 47; fcntl 72 25; ioctl 16 29; open 2 -; openat 257 56; openat2 437 437; sendto
44 206; socketpair 53 199
"""
"""Calls that are allowed for some arguments."""

BY_PROCESS = "clone 56 220; fork 57 -; kill 62 129; prctl 157 167; prlimit64 302 261; tgkill 234 131; vfork 58 -"
"""Calls that the zygote may make, and programs for some arguments."""

PROCESSES = """
accept 43 202; accept4 288 242; bind 49 200; connect 42 203; execve 59 221; getpriority 140 141; listen 50
201; pidfd_open 434 434; recvmmsg 299 243; sendmmsg 307 269; sendmsg 46 211; setpgid 109 154; setsid 112 157
"""
"""Further calls of programs that may start processes."""

BY_ARGUMENTS_OF_PROCESSES = "setsockopt 54 208; socket 41 198"
"""Calls of these programs that are allowed for some arguments."""

ABOUT_ITSELF = """
getpgid 121 155; getsid 124 156; sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145
120; sched_rr_get_interval 148 127
"""
"""Calls that a program may make only about itself and its own processes."""

ATTRIBUTES = "getxattr 191 8; lgetxattr 192 9; listxattr 194 11; llistxattr 195 12"
"""Calls that read files' extended attributes, which Landlock does not guard; they fail with ENOTSUP."""

OF_THE_ZYGOTE = "landlock_restrict_self 446 446; pidfd_open 434 434; seccomp 317 277; setsid 112 157"
"""Calls by which the zygote restricts and watches programs, which may not make them."""


def numbers(table: str) -> dict[str, int]:
    """Return the numbers of a table's calls on this machine; calls that it lacks are left out.

    Raises:
        KeyError: the machine's numbers are not known.
    """
    column = {"x86_64": 1, "aarch64": 2}[platform.machine()]
    found = {}
    for entry in table.replace("\n", " ").split(";"):
        # `open 2 -`: call 2 of x86_64, and no call of aarch64
        row = entry.split()
        if row[column] != "-":
            found[row[0]] = int(row[column])
    return found
