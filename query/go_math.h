// The functions of Go's package math, bit for bit as Prometheus gets them on amd64.
//
// Results of PromQL are made of these: their last digits, and the odd values of Go's assembler for
// that processor, are part of the answer (docs/decisions/0017-go-math.md). What is not here (sqrt,
// floor, ceil, fmod, fabs) is exact everywhere.
//
// Exp, and what is built upon it, fuses multiplications with additions, as Go does on processors
// that can (Intel since 2013, AMD since 2012). Here it does so on any; where the processor cannot,
// the C library does it in software.
//
// No argument is an error: NaN, zeros and infinities give what Go documents. Pure, thread-safe.
#pragma once

namespace deckwatch::query::go {

double Exp(double x);  // infinite from 709.44 on, though e^709.78 would still be a number
double Exp2(double x);
double Log(double x);  // a subnormal m * 2^-1074 is taken for 2^-1023 + m * 2^-1075
double Log2(double x);
double Log10(double x);
double Pow(double x, double y);

double Sin(double x);  // radians of any size
double Cos(double x);
double Tan(double x);
double Asin(double x);
double Acos(double x);
double Atan(double x);
double Atan2(double y, double x);

double Sinh(double x);
double Cosh(double x);
double Tanh(double x);
double Asinh(double x);
double Acosh(double x);
double Atanh(double x);

}  // namespace deckwatch::query::go
