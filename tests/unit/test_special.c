/* SPDX-License-Identifier: MIT */
/* test_special.c - values and derivatives of the elementwise functions against mpmath at 60 digits,
 * over the whole range: values to 4 ulp (near roots of lgamma and digamma 4 ulp of max(|f|, |x f'|)),
 * derivatives to 1e-12. */
#include "ops_scalar.h"

#include <criterion/criterion.h>
#include <float.h>

static const struct golden {
    const char *name;
    double x, value, slope;
} golden[] = {
    {"exp", 0x1.6280000000000p+9, 0x1.d422d2be5dc9bp+1022, 0x1.d422d2be5dc9bp+1022},
    {"exp", 0x1.2bb97d4eb3ce8p+9, 0x1.c4a9f8b01a728p+864, 0x1.c4a9f8b01a728p+864},
    {"exp", -0x1.d4bfe03802634p+8, 0x1.aacb802511c7dp-677, 0x1.aacb802511c7dp-677},
    {"exp", -0x1.300a0fd592415p+9, 0x1.a8068b8dc0e4fp-878, 0x1.a8068b8dc0e4fp-878},
    {"exp", -0x1.0d0a1e3021188p-854, 0x1.0000000000000p+0, 0x1.0000000000000p+0},
    {"expm1", 0x1.79ca10c924223p-67, 0x1.79ca10c924223p-67, 0x1.0000000000000p+0},
    {"expm1", -0x1.4000000000000p+5, -0x1.0000000000000p+0, 0x1.39792499b1a24p-58},
    {"expm1", 0x1.5d4e2ae564ad1p-398, 0x1.5d4e2ae564ad1p-398, 0x1.0000000000000p+0},
    {"expm1", -0x1.3cc37f3d66dfdp-370, -0x1.3cc37f3d66dfdp-370, 0x1.0000000000000p+0},
    {"expm1", -0x1.b257118b57935p+4, -0x1.fffffffffc6dep-1, 0x1.c90e8b4fc4fd9p-40},
    {"expm1", -0x1.9ad164e77554bp-669, -0x1.9ad164e77554bp-669, 0x1.0000000000000p+0},
    {"log", 0x1.ffffff004e9a0p-1, -0x1.ff62cc7fb1724p-26, 0x1.0000007fd8b34p+0},
    {"log", 0x1.a5fc98ec0804ap+299, 0x1.9f80694c483dcp+7, 0x1.369b6062cddc6p-300},
    {"log", 0x1.000000003901fp+0, 0x1.c80f7fffcd389p-35, 0x1.ffffffff8dfc2p-1},
    {"log", 0x1.55d32b77d51d7p-1012, -0x1.5e96817415fd2p+9, 0x1.7f72a33699f5fp+1011},
    {"log1p", 0x1.79ca10c924223p-67, 0x1.79ca10c924223p-67, 0x1.0000000000000p+0},
    {"log1p", -0x1.fffffca501acbp-1, -0x1.01e3b8440ed2fp+4, 0x1.312d0002b1e7bp+23},
    {"log1p", -0x1.c22053fe0939ep-1, -0x1.0e7e4aae2b840p+1, 0x1.08cc22aa7637bp+3},
    {"log1p", -0x1.56d8f008eb606p-788, -0x1.56d8f008eb606p-788, 0x1.0000000000000p+0},
    {"log1p", -0x1.fffffff347a68p-1, -0x1.454a6f0bb51c5p+4, 0x1.420278767a3a3p+29},
    {"log1p", 0x1.2d0c27e516cb6p+275, 0x1.7d8e1d0722f3cp+7, 0x1.b362ef6ceff80p-276},
    {"log2", 0x1.db4e775be7659p-422, -0x1.a51b7712906b2p+8, 0x1.8dd791c54048fp+421},
    {"log2", 0x1.0002737e454c3p+0, 0x1.c4a1d9f14f270p-15, 0x1.7150ed1359bc1p+0},
    {"log2", 0x1.ffffffffff007p-1, -0x1.70b2e15ef45b5p-41, 0x1.71547652b8e84p+0},
    {"log2", 0x1.d4d0dd2b0cb2ap-2, -0x1.208b17c2f1261p+0, 0x1.93599f6022ccap+1},
    {"log10", 0x1.60bbfff3a15f2p+276, 0x1.4ce4d9ad53093p+6, 0x1.42c1f0b25fcb9p-278},
    {"log10", 0x1.fbafffd8c75fcp-1, -0x1.e17df36a9526fp-9, 0x1.c07ec2c8ca87bp-2},
    {"log10", 0x1.43c464dfcbf5ep-986, -0x1.28b6ad5e416abp+8, 0x1.5fa26c1d2c784p+984},
    {"sqrt", 0x1.0752486ed267dp+547, 0x1.6f2de02340eefp+273, 0x1.64f859264597fp-275},
    {"sqrt", 0x1.16955404eb594p-384, 0x1.0b0d944733e31p-192, 0x1.eacf1173e919bp+190},
    {"sqrt", 0x1.960945433cafbp-453, 0x1.c7f33d29708d8p-227, 0x1.1f78535439b0dp+225},
    {"sqrt", 0x1.fa70b2ec7890bp-921, 0x1.fd36682e7a7fcp-461, 0x1.0166bfe963abap+459},
    {"cbrt", -0x1.0a9b15958999fp-885, -0x1.037ccf58857bdp-295, 0x1.4c384a23bb99ep+588},
    {"cbrt", -0x1.c46b57a30c03ep-565, -0x1.eb50bc1395449p-189, 0x1.72adcf9bdaf4bp+374},
    {"cbrt", 0x1.bf4ef129d4211p-295, 0x1.e9754f7f96885p-99, 0x1.757f4739c980ap+194},
    {"cbrt", 0x1.23796e8f57911p+938, 0x1.a856e6c5488a8p+312, 0x1.f0ed136127f09p-628},
    {"sin", 0x1.0f0cf064dd592p+73, -0x1.b453ab76bf397p-1, 0x1.0be2cef01c8f4p-1},
    {"sin", -0x1.af6a4f3093fb9p-419, -0x1.af6a4f3093fb9p-419, 0x1.0000000000000p+0},
    {"sin", 0x1.7d75f5f2064edp-174, 0x1.7d75f5f2064edp-174, 0x1.0000000000000p+0},
    {"sin", 0x1.dad57a06fc9c7p-306, 0x1.dad57a06fc9c7p-306, 0x1.0000000000000p+0},
    {"sin", 0x1.4ee8d9b61e99dp+959, 0x1.e41415a396da6p-1, -0x1.4d89f542c802dp-2},
    {"cos", 0x1.0f0cf064dd592p+73, 0x1.0be2cef01c8f4p-1, 0x1.b453ab76bf397p-1},
    {"cos", -0x1.0f7b4c71bd3e5p-738, 0x1.0000000000000p+0, 0x1.0f7b4c71bd3e5p-738},
    {"cos", -0x1.ab3b7f28e0304p-62, 0x1.0000000000000p+0, 0x1.ab3b7f28e0304p-62},
    {"cos", 0x1.3709f2f5d5a87p+203, 0x1.b7f98f3735c6ep-1, 0x1.05d9f33d0a845p-1},
    {"cos", 0x1.745ef9afe1d18p-583, 0x1.0000000000000p+0, -0x1.745ef9afe1d18p-583},
    {"tan", 0x1.0f0cf064dd592p+73, -0x1.a0f79c1b6b257p+0, 0x1.d392d56bdc2a0p+1},
    {"tan", 0x1.298e7888e1e88p-904, 0x1.298e7888e1e88p-904, 0x1.0000000000000p+0},
    {"tan", 0x1.1fb005cde1dc2p+473, -0x1.d62ddd7782c45p-2, 0x1.35f8c716a6fc4p+0},
    {"tan", 0x1.0161f2386706ep+634, -0x1.06825888c1fdap-1, 0x1.434bc3e57da5ap+0},
    {"tan", -0x1.54dc78e953360p-676, -0x1.54dc78e953360p-676, 0x1.0000000000000p+0},
    {"asin", -0x1.fffb4aa93c802p-1, -0x1.8ff437f2d3fc1p+0, 0x1.d7ebc2ceb0cf9p+6},
    {"asin", -0x1.ef55b92c24512p-1, -0x1.50a0eea6dd9c7p+0, 0x1.f9cfad4a14a89p+1},
    {"asin", 0x1.fffffef10f138p-1, 0x1.920f3f6ec4cc3p+0, 0x1.f1aec1bb4e7b0p+11},
    {"asin", 0x1.3b4e85930fd48p-619, 0x1.3b4e85930fd48p-619, 0x1.0000000000000p+0},
    {"acos", 0x1.fff50507f66cfp-1, 0x1.a826cabc20bc0p-7, -0x1.3507bf7b04abep+6},
    {"acos", -0x1.5a84ae7d2f32bp-558, 0x1.921fb54442d18p+0, -0x1.0000000000000p+0},
    {"acos", 0x1.82b334d15ea82p-688, 0x1.921fb54442d18p+0, -0x1.0000000000000p+0},
    {"acos", -0x1.f5bb2e3c155ddp-502, 0x1.921fb54442d18p+0, -0x1.0000000000000p+0},
    {"atan", 0x1.d2bd2cfbabd9fp-254, 0x1.d2bd2cfbabd9fp-254, 0x1.0000000000000p+0},
    {"atan", -0x1.646c3a7c16a1bp+239, -0x1.921fb54442d18p+0, 0x1.08217adfc3618p-479},
    {"sinh", 0x1.12e0be826d695p-30, 0x1.12e0be826d695p-30, 0x1.0000000000000p+0},
    {"sinh", -0x1.625937e4bed0ep+8, -0x1.2984cdbb829acp+510, 0x1.2984cdbb829acp+510},
    {"sinh", -0x1.ff3d14c20b201p-189, -0x1.ff3d14c20b201p-189, 0x1.0000000000000p+0},
    {"sinh", -0x1.1f3914973ed26p-610, -0x1.1f3914973ed26p-610, 0x1.0000000000000p+0},
    {"sinh", 0x1.ba244d73f2f72p-862, 0x1.ba244d73f2f72p-862, 0x1.0000000000000p+0},
    {"cosh", -0x1.ebeb06c8b1507p-282, 0x1.0000000000000p+0, -0x1.ebeb06c8b1507p-282},
    {"cosh", 0x1.2e709e9635d89p+9, 0x1.93b393d32ee1dp+871, 0x1.93b393d32ee1dp+871},
    {"cosh", 0x1.e92c7bccd1ebcp+7, 0x1.d207e806bf1c9p+351, 0x1.d207e806bf1c9p+351},
    {"cosh", -0x1.a194d9366a389p-675, 0x1.0000000000000p+0, -0x1.a194d9366a389p-675},
    {"tanh", 0x1.4000000000000p+4, 0x1.0000000000000p+0, 0x1.39792499b1a24p-56},
    {"tanh", 0x1.19799812dea11p-40, 0x1.19799812dea11p-40, 0x1.0000000000000p+0},
    {"tanh", 0x1.ea1022c498b48p-316, 0x1.ea1022c498b48p-316, 0x1.0000000000000p+0},
    {"tanh", -0x1.f021631b0e00ep+3, -0x1.ffffffffffd99p-1, 0x1.338db967ad7ffp-43},
    {"tanh", 0x1.f61c90d412271p-759, 0x1.f61c90d412271p-759, 0x1.0000000000000p+0},
    {"tanh", 0x1.f023423ff7618p+2, 0x1.fffff39a26fffp-1, 0x1.8cbb1b352e6a4p-21},
    {"asinh", 0x1.7e43c8800759cp+996, 0x1.59bbfd8b83e44p+9, 0x1.56e1fc2f8f359p-997},
    {"asinh", -0x1.7e43c8800759cp+996, -0x1.59bbfd8b83e44p+9, 0x1.56e1fc2f8f359p-997},
    {"asinh", -0x1.fc30cb1ce6ed7p+939, -0x1.461f3c56669b9p+9, 0x1.01eb4224c022cp-940},
    {"asinh", 0x1.2421fd8604524p-594, 0x1.2421fd8604524p-594, 0x1.0000000000000p+0},
    {"asinh", 0x1.5f451f1601702p-636, 0x1.5f451f1601702p-636, 0x1.0000000000000p+0},
    {"asinh", -0x1.69f29ce5452cdp-43, -0x1.69f29ce5452cdp-43, 0x1.0000000000000p+0},
    {"acosh", 0x1.7e43c8800759cp+996, 0x1.59bbfd8b83e44p+9, 0x1.56e1fc2f8f359p-997},
    {"acosh", 0x1.000000000d61dp+0, 0x1.4b1921d9779dbp-18, 0x1.8bded93f37b5cp+17},
    {"acosh", 0x1.8387900c4b0e1p+552, 0x1.7fb999f5aba3fp+8, 0x1.52397b4909724p-553},
    {"acosh", 0x1.e75f243aedcd9p+402, 0x1.17fb6f0da0c77p+8, 0x1.0cefbb2008c28p-403},
    {"acosh", 0x1.18f6897321880p+0, 0x1.c09e08c3ccea2p-2, 0x1.1b071be9ef203p+1},
    {"atanh", -0x1.ffffaee8b5d0dp-1, -0x1.b40a456b5b03bp+2, 0x1.9416ffe9363b7p+17},
    {"atanh", -0x1.fffffed652959p-1, -0x1.1def9725820a2p+3, 0x1.b850ca7c0bcd9p+23},
    {"atanh", -0x1.74e9b4f7e9a14p-535, -0x1.74e9b4f7e9a14p-535, 0x1.0000000000000p+0},
    {"atanh", -0x1.f5f7c6ebcd926p-2, -0x1.12998555ca152p-1, 0x1.50f98428fac47p+0},
    {"erf", -0x1.7459788003dbbp-735, -0x1.a426c2fffcff2p-735, 0x1.20dd750429b6dp+0},
    {"erf", -0x1.e2d04bb1ff260p-1, -0x1.a2a4db3d1569fp-1, 0x1.dadb6393b2d5fp-2},
    {"erf", 0x1.3ce9928105f22p-509, 0x1.6598eb5087518p-509, 0x1.20dd750429b6dp+0},
    {"erf", 0x1.ac2dc9e04ce3dp-568, 0x1.e325ea5b80e27p-568, 0x1.20dd750429b6dp+0},
    {"erfc", 0x1.4000000000000p+2, 0x1.b0c1a759f7739p-40, -0x1.13af4f04f9998p-36},
    {"erfc", 0x1.a000000000000p+4, 0x1.284bfe1cdea24p-981, -0x1.e1d6859c11527p-976},
    {"erfc", 0x1.744b828608250p+4, 0x1.7147c37039fd6p-787, -0x1.0cc3f79a9112cp-781},
    {"erfc", 0x1.52d616d53b166p-50, 0x1.ffffffffffff4p-1, -0x1.20dd750429b6dp+0},
    {"erfc", 0x1.309854b165d79p-238, 0x1.0000000000000p+0, -0x1.20dd750429b6dp+0},
    {"erfc", 0x1.865eb3df58c40p+3, 0x1.d1a58b170c0bdp-220, -0x1.643692d492244p-215},
    {"lgamma", 0x1.7e43c8800759cp+996, 0x1.017f38e7a1ab5p+1006, 0x1.5963447f87fb5p+9},
    {"lgamma", 0x1.000001ad7f29bp+0, -0x1.efd30c8e518b9p-25, -0x1.2788ca41fe94ap-1},
    {"lgamma", -0x1.4000000000000p+1, -0x1.ccbf9f5ed0f16p-5, 0x1.1a68793defc15p+0},
    {"lgamma", 0x1.ca4bed96b733cp+4, 0x1.0aca985826a6bp+6, 0x1.ab2ef37e47c08p+1},
    {"lgamma", -0x1.d52a26ef59d11p+3, -0x1.9b21862e2eafcp+4, 0x1.f29c5700ebbb7p-1},
    {"lgamma", -0x1.8c8e7b54ac450p+6, -0x1.65c5234c8bfb0p+8, 0x1.6a644ed935f9bp+3},
    {"lgamma", -0x1.6428e771f2065p+0, 0x1.fc777770fb221p-1, 0x1.c3f90f87b5037p+0},
    {"digamma", 0x1.762d86356be3fp+0, -0x1.aa2d9b3ce29e0p-54, 0x1.ef72bc8ee38acp-1},
    {"digamma", 0x1.7e43c8800759cp+996, 0x1.5963447f87fb5p+9, 0x1.56e1fc2f8f359p-997},
    {"digamma", -0x1.0000000000000p-1, 0x1.2aed059bd608ap-5, 0x1.1de9e64df22efp+3},
    {"digamma", -0x1.878b4fd42430fp+4, 0x1.bff6f52b8e7e3p+1, 0x1.3d16e340d7a3ep+3},
    {"digamma", 0x1.2a9da4e68ad01p+2, 0x1.6de6ccc7bc403p+0, 0x1.e94c79b31863ep-3},
};

/* order, x, polygamma(order, x), polygamma(order + 1, x) */
static const double poly[][4] = {
    {1, 0x1.0000000000000p-1, 0x1.3bd3cc9be45dep+2, -0x1.0d42c0452055dp+4},
    {1, 0x1.8000000000000p+1, 0x1.94699894c1f4dp-2, -0x1.3ba004f006214p-3},
    {1, 0x1.4000000000000p+4, 0x1.a402b577dcceep-5, -0x1.58792789208aap-9},
    {1, -0x1.0000000000000p-1, 0x1.1de9e64df22efp+3, -0x1.a85808a40aba2p-1},
    {1, -0x1.d333333333333p+2, 0x1.de71bb244723ep+3, 0x1.1348e1da8dc69p+6},
    {1, 0x1.4f8b588e368f1p-17, 0x1.2a05f200d28c6p+33, -0x1.c6bf526340008p+50},
    {2, 0x1.0000000000000p-1, -0x1.0d42c0452055dp+4, 0x1.85a2e8c290826p+6},
    {2, 0x1.8000000000000p+1, -0x1.3ba004f006214p-3, 0x1.e72d00af11b15p-4},
    {2, -0x1.4000000000000p+1, -0x1.bb342bf188dd7p-4, 0x1.857ee9a1bdbbep+7},
    {4, 0x1.8000000000000p+0, -0x1.bcb437e3d5aefp+1, 0x1.63a230adbef16p+3},
    {4, -0x1.4000000000000p+0, 0x1.7e84413e4a8c5p+14, 0x1.e0b18d7ad85d8p+18},
};

static double ulp(double x) { return nextafter(fabs(x), INFINITY) - fabs(x); }

Test(special, values_and_derivatives_are_those_of_mpmath) {
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const struct golden *g = &golden[i];
        ad_op op = ad_op_find(g->name);
        double y = ad_scalar_value(op, g->x, 0, 0), d = ad_scalar_partial(op, 0, g->x, 0, 0, y);
        bool rooted = op == AD_OPID_lgamma || op == AD_OPID_digamma;
        double scale = rooted ? fmax(fabs(g->value), fabs(g->x * g->slope)) : g->value;
        cr_expect(fabs(y - g->value) <= 4 * ulp(scale), "%s(%a) = %a, not %a", g->name, g->x, y, g->value);
        cr_expect(fabs(d - g->slope) <= 1e-12 * fabs(g->slope), "%s'(%a) = %a, not %a", g->name, g->x, d,
                  g->slope);
    }
}

Test(special, polygamma_is_that_of_mpmath) {
    for (size_t i = 0; i < sizeof poly / sizeof *poly; i++) {
        const double *p = poly[i];
        for (int k = 0; k < 2; k++) {
            double y = ad_s_polygamma(p[0] + k, p[1]);
            cr_expect(fabs(y - p[2 + k]) <= 1e-14 * fabs(p[2 + k]), "polygamma(%g, %g) = %.17g, not %.17g",
                      p[0] + k, p[1], y, p[2 + k]);
        }
    }
}

Test(special, poles_and_borders) {
    cr_expect_eq(ad_s_lgamma(0), INFINITY);
    cr_expect_eq(ad_s_lgamma(-3), INFINITY);
    cr_expect_eq(ad_s_digamma(0), -INFINITY);
    cr_expect(isnan(ad_s_digamma(-2)));
    cr_expect_eq(ad_s_digamma(INFINITY), INFINITY);
    cr_expect_eq(ad_s_polygamma(1, -1), INFINITY);
    cr_expect_eq(ad_s_polygamma(1, INFINITY), 0);
    cr_expect(isnan(ad_s_polygamma(0.5, 1)));
    cr_expect_eq(ad_s_sinh(-800), -INFINITY);
    cr_expect_eq(ad_s_cosh(-INFINITY), INFINITY);
    cr_expect(isnan(ad_s_sinh(NAN)));
    cr_expect_eq(ad_s_asinh(-INFINITY), -INFINITY);
    cr_expect(!signbit(ad_s_sqrt(-0.0)), "the root of -0 is 0, so that its derivative is inf");
}

Test(special, remainder_has_the_sign_of_the_divisor) {
    cr_expect_eq(ad_s_mod(-7, 3), 2);
    cr_expect_eq(ad_s_mod(7, -3), -2);
    cr_expect_eq(ad_s_mod(-1, INFINITY), INFINITY);
    cr_expect(signbit(ad_s_mod(6, -3)));
    cr_expect(isnan(ad_s_mod(1, 0)));
}

Test(special, powers_follow_ieee) {
    cr_expect_eq(ad_s_pow(0, 0), 1);
    cr_expect_eq(ad_s_pow(NAN, 0), 1);
    cr_expect_eq(ad_s_pow(1, NAN), 1);
    cr_expect_eq(ad_s_pow(-0.0, -1), -INFINITY);
    cr_expect_eq(ad_s_pow(-2, 3), -8);
    cr_expect_eq(ad_s_pow(2, -1), 0.5);
    cr_expect_eq(ad_s_pow(-8, 5), -32768);
    cr_expect(isnan(ad_s_pow(-8, 0.5)));
}
