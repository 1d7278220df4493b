/* SPDX-License-Identifier: Apache-2.0
 * first_failure - for tests with threads. A test that fails jumps out of a frame that its threads
 * go on using, and leaves shut what only it would have opened: what came after it would prove
 * nothing, or wait for ever. So the program ends with the first failure, and all that was printed
 * before is seen. */
#include <stdio.h>
#include <stdlib.h>

static void __attribute__((constructor))
end_with_first_failure(void)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    setenv("CMOCKA_TEST_ABORT", "1", 0);
}
