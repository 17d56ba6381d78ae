#include <groupnorm.h>
#include <stdio.h>

int main(void)
{
    static float x[1 * 64 * 8 * 8], y[1 * 64 * 8 * 8];
    const int64_t dims[] = {1, 64, 8, 8}; /* N, C, H, W */
    for (int i = 0; i < 1 * 64 * 8 * 8; i++)
        x[i] = (float)(i % 7);

    gn_desc *desc = NULL;
    gn_plan *plan = NULL;
    if (gn_desc_create(&desc, 4, dims) || gn_desc_set_groups(desc, 32) ||
        gn_plan_create(&plan, desc) || gn_forward(plan, x, NULL, NULL, y, NULL, NULL))
        fprintf(stderr, "groupnorm: %s\n", gn_last_error());
    else
        printf("%g becomes %g\n", (double)x[0], (double)y[0]);
    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
    return plan == NULL;
}
