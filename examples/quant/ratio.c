/* cc ratio.c $(pkg-config --cflags --libs hde_quant) && ./a.out */
#include <hde_quant.h>
#include <stdio.h>

int
main(void)
{
    printf("put/call ratio: %g\n", pcr(1500, 1000));
    return 0;
}
