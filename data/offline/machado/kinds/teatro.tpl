# Comedies: {A} a young man, {B} a lady, {C} her uncle, {D} the maid; scenes made of exchanges.
plan: abertura cena*8 final
== abertura.corpo
- PERSONAGENS / {A+}, bacharel / {B+}, viúva moça / {C+}, tio de {B} / {D+}, criada / {#sala}
== cena.corpo
- {#entra} / {#ab} / {#p} / {#cd} / {#p} / {#ab} / {#sai}
- {#entra} / {#cd} / {#p} / {#ac} / {#p} / {#bd} / {#sai}
- {#entra} / {#bd} / {#p} / {#ab} / {#p} / {#ac} / {#sai}
== final.corpo
- {#entra} / {#ac} / {#p} / {#ab} / {#p} / {#desfecho}
== sala
- (Sala em casa de {C}, {@onde}. {^um traste} à direita, {um traste} à esquerda; sobre {o traste}, {um coisa} e {um flor}. Portas ao fundo.)
== entra
- ({A}, {~m humor}, aparece pelo fundo, com {um coisa}; {B}, sentada junto de {o traste}, {@finge}.)
- ({B} [rega|desfolha] {um flor}; {D} [espana|arrasta] {o traste}. Ouve-se {@som}.)
- ({C} ressona em {o traste}, com {o jornal} no rosto. {A} avança {@circ}.)
== ab
- {A+} — Enfim só! [Venho|Vim] {@inf}. / {B+} — Comigo? Impossível. {^o ideia} não recebe às {@dias}. / {A+} — ({@aparte}) [Zomba|Treme]! (Alto.) E amanhã?
- {B+} — O doutor esqueceu aqui {um coisa}. / {A+} — Foi de propósito; é {@como}. / {B+} — [Explique-se|Não entendo]. / {A+} — Queria {@inf}.
- {A+} — Que borda aí? / {B+} — {^@livro}. Diz que {@tese}. / {A+} — E o coração [acredita|concorda]? / {B+} — [Acredito|Concordo] até [o meio-dia|a missa|as dez]; depois, durmo.
- {B+} — Jura [que|diante de {o traste} que] não torna a {@inf}? / {A+} — [Juro|Por {o coisa} de meu pai]! / {B+} — Jura depressa. {^o ideia} foi sempre {@como}.
== ac
- {C+} — Moço, o senhor traz meios? / {A+} — Tenho {@soma}, {um coisa} e {o ideia}. / {C+} — Guarde o resto; {o ideia} não se come. / {A+} — Posso {@inf}.
- {A+} — [Senhor {C}|Meu tio, se permite], rogo-lhe a mão... / {C+} — A mão de voltarete? Sente-se. / {A+} — Outra; a que {@gesto} ontem {@hora}. / {C+} — ({@aparte}) [Surdo|Esperto] sou eu.
- {C+} — Que me diz de {@tema}? / {A+} — Penso que {@tese}. / {C+} — Bravo! Está convidado para {o prato}. / {A+} — (À parte.) Dai-me, {n ideia}!
== bd
- {D+} — Sinhá, bateu à porta {o oficio}, com {um coisa}. / {B+} — Responda que [saí|estou {~f humor}]. / {D+} — Disse-lhe isso; ele {@gesto}, e [sentou-se|pediu {o doce}].
- {B+} — Quem canta lá fora? / {D+} — Parece {@som}. / {B+} — Fecha a janela; {o ideia} foge por ela. / {D+} — ({@aparte}) [Amor|Ou {o oficio}]!
- {D+} — [O Sr. {A}|Aquele moço] deu-me {@soma}. / {B+} — Para quê? / {D+} — Para jurar à senhora que ele {@hab}. / {B+} — Devolve metade.
== cd
- {C+} — Rapariga, {o prato}! / {D+} — [Queimou-se|Comeu-o {o bicho}]. / {C+} — E {o doce}? / {D+} — Guardei tudo para {o oficio}. / {C+} — Nesse caso torno a {o jornal}.
- {D+} — [O patrão|Meu amo] sabe que o moço {@hab}? / {C+} — Sei. Todos nós fomos assim, antes de {@inf}. / {D+} — [Cruzes|Pois sim]! (Sai {~f humor}.)
- {C+} — Quem [quebrou|buliu em] {o coisa}? / {D+} — {^o ideia}, patrão. / {C+} — Que diz? / {D+} — Digo {o bicho}: {.esse} não presta contas.
== p
- (Pausa. Ouve-se {@som}.)
- (Silêncio. {B} [conserta|esconde] {o coisa}.)
- (Passa {o oficio} ao fundo, {@circ}.)
- (Toda a gente olha para {o traste}.)
== sai
- (Sai {C}, levando {um coisa}. {B} [fica só|cai em {um traste}] e suspira.)
- {B+} — (Só.) {^o ideia}! Será isto? (Ouve-se {@som}.) Ele!
- ({A} e {C} [saem|vão-se] a falar de {@tema}. {D} [espreita|corre] à janela.)
== desfecho
- {C+} — [Casem-se|Pois casem], e [deixem-me|deem-me] {o jornal}. / {B+} — Que bondade! / {A+} — {^@tese}. / {D+} — (Ao público.) A mim dão-me {o coisa}. (Cai o pano.)
- {B+} — Aceito, com [uma condição|duas condições]: nunca {@inf}. / {A+} — Aceito! / {C+} — [Amém|Vamos a {o prato}]. / {D+} — O amor é {@como}. (Cai o pano.)
