# Two sea novels as if put into Portuguese from English: {rapaz}, {menina}, {capitao}, {ruim}, {barco}, {cidade}.
plan: cidade asilo taberna cofre embarque temporal taberna ilha temporal ilha cofre tribunal volta
plan: cidade taberna asilo cofre taberna embarque temporal ilha temporal ilha embarque tribunal volta
== cidade.titulo
- DO LUGAR E DO NEVOEIRO
- ONDE SE VÊ UMA CIDADE QUE MAL SE DEIXA VER
- DO PORTO E DOS QUE NELE VIVIAM
== cidade.corpo
- {#cidade1} {#nevoa} {#nevoa} {#porto} / {#rapaz1} {#rapaz2} / {#porto} {#porto} {#nevoa} / {#ruim1} {#ruim2} / {#fala} / {#menina} {#porto} / {#cai}
== asilo.titulo
- EM QUE O MENINO PERDE UM PRATO DE SOPA
- O ASILO DA PARÓQUIA
- DAS CARIDADES DE {ruim+}
- O SOBRADO DE TIJOLO
== asilo.corpo
- {#asilo0} {#asilo} {#rapaz2} / {#ruim2} {#asilo} / {#fala} / {#rapaz2} {#nevoa} {#menina} / {#fala} / {#asilo} {#cai}
== taberna.titulo
- A TABERNA
- GIM, TABACO E SEGREDOS
- UM HOMEM ZAROLHO
- O QUE SE OUVIU ATRÁS DA PORTA
== taberna.corpo
- {#taberna} {#taberna} {#capitao1} / {#fala} / {#taberna} {#capitao2} {#nevoa} / {#trato} / {#rapaz2} {#taberna} {#cai}
== embarque.titulo
- A ESCADA DO CAIS
- LARGAR
- A BORDO DE {barco+}
- MARÉ DE QUARTO MINGUANTE
== embarque.corpo
- {#nevoa} {#nau} {#nau} / {#capitao2} {#porto} / {#fala} / {#rapaz2} {#menina} / {#trato} / {#nau} {#porto} {#cai}
== temporal.titulo
- O TEMPORAL
- VENTO DE NORDESTE
- TRÊS NOITES
- O MASTRO GRANDE
- AS BOMBAS
== temporal.corpo
- {#temporal} {#temporal} {#nau} / {#grito} / {#temporal} {#capitao2} / {#fala} / {#grito} / {#rapaz2} {#temporal} / {#nevoa} {#cai}
== cofre.titulo
- O COFRE DE FERRO
- A DÍVIDA
- O QUE VALIA UM PAPEL
- {ruim+} FAZ CONTAS
== cofre.corpo
- {#cofre} {#ruim2} {#cofre} / {#trato} / {#rapaz2} {#cofre} {#nevoa} / {#fala} / {#menina} {#menina} / {#trato} / {#cofre} {#cai}
== ilha.titulo
- O ROCHEDO
- FUMO NO HORIZONTE
- ONDE A TERRA ACABA
- OS QUE FICARAM
== ilha.corpo
- {#ilha} {#ilha} {#rapaz2} / {#fala} / {#ilha} {#nevoa} {#capitao2} / {#trato} / {#ilha} {#nevoa} / {#rapaz2} {#cai}
== tribunal.titulo
- O JUIZ TEM FRIO
- TESTEMUNHAS
- A VERDADE SEGUNDO {ruim+}
- DOZE HOMENS HONRADOS
== tribunal.corpo
- {#tribunal} {#tribunal} {#ruim2} / {#fala} / {#tribunal} {#rapaz2} / {#trato} / {#menina} {#tribunal} / {#nevoa} {#cai}
== volta.titulo
- LUZES NA BARRA
- ÚLTIMA SINGRADURA
- O PORTO, AFINAL
- CONCLUSÃO
== volta.corpo
- {#nevoa} {#porto} {#nau} / {#fala} / {#menina} {#capitao2} / {#volta} {#volta} / {#rapaz2} {#porto} / {#volta} {#ultima}
== cidade1
- {cidade} fica no norte da Inglaterra, entre um rio {~m fero} e um mar {~m fero}, e quem ali nasce aprende a tossir antes de falar. Em 18[09|12|17|23], não havia em {cidade} senão duas ruas calçadas, {@conta} tabernas e um relógio parado.
- O viajante que chegasse a {cidade}, {@mar_hora}, com {um trem} às costas, veria primeiro {@mar_ver}, depois {@mar_ver}, e por fim coisa nenhuma: era {o nevoa}. Debaixo {de o nevoa} [respiravam|viviam] seis mil criaturas de Deus.
== nevoa
- {^o nevoa} [descia|subia|rolava] sobre {o cais} {@mar_como}; [mal se viam|adivinhavam-se] {@mar_ver} e {@mar_ver}.
- O vento {@vento}. Do lado do mar, {um ave_mar} gritou {@mar_como}.
- Dir-se-ia que {o nevoa} entrava nos ossos, nas casas, em {o trem}, e que a cidade [apodrecia|navegava] {@mar_como}.
- Corria um frio {~m fero}; [surgiam|sumiam-se] {@mar_ver}; {o nevoa} e {o nevoa} [disputavam|repartiam] {o cais}.
== porto
- Por detrás de {o cais} [amontoavam-se|secavam ao vento] {@mar_ver}, sacos, [cordas|âncoras|ossos de baleia] e {um trem} que ninguém [reclamava|comprara].
- {^o homem}, {~feio} e {~feio}, vendia a {@ingles} uma história de {@porto}; {o mulher} {@mar_fez}.
- Descarregava-se {o carga} de {um nau} de {@porto}; {o homem} [praguejava|suava] {@mar_como}.
- Diante de {o cais}, {o mulher}, que {@mar_ia}, insultava {o homem}, que {@mar_ia}.
== rapaz1
- {rapaz} tinha [onze|doze|treze] anos, segundo o livro da paróquia, e {@conta} cicatrizes, segundo {@ingles}. Não conhecera pai nem mãe; conhecia {o mau}, {o mau} e {o ave_mar} {de o cais}.
- Foi {em o cais}, {@mar_hora}, que {o mulher} achou, dentro de {um trem}, uma criança envolta em lona. Deram-lhe o nome de {rapaz}, porque era o que estava escrito em {o bordo} de {um nau} que naufragara na véspera.
== rapaz2
- {rapaz} {@mar_fez}. Tinha [fome|sono|medo], mas tinha também {o bem}, e {o bem}, dizia {@ingles}, pesa mais que {o carga} de {um nau}.
- O menino [escondeu|apertou] contra o peito {um trem} e {@mar_fez}; sentia [bater|crescer], {@mar_como}, o próprio coração.
- [Sozinho|Tiritando], {rapaz} caminhou até {o cais}; [pensava em|resolvera] {@mar_inf}; na bruma, [passos|uma tosse|o assobio de {ruim}].
- [Naquela noite|Antes de adormecer], {rapaz} cuidou ver {@mar_ver}, {um ave_mar} {~fero} e a mão de {menina}.
== ruim1
- {ruim} era {~m feio}, {~m feio} e {~m feio}, e emprestava dinheiro a juros junto de {o cais}. Murmurava-se que [afogara|vendera] {um homem} por {@libras}.
- Ninguém em {cidade} [amava|saudava] {ruim}; todos lhe deviam. {^o homem} devia-lhe {@libras}, {o mulher}, {@libras}, e {@ingles}, {o bem}.
== ruim2
- {ruim} {@mar_fez} e fechou o livro das dívidas, onde {o mau} ocupava uma coluna e {o bem}, nenhuma.
- No rosto de {ruim}, {~m feio}, luzia {o mau}, {@mar_como}.
- {ruim}, que {@mar_ia}, ordenou a {o homem} {@mar_inf} ainda que o vento [mudasse|matasse a todos].
== menina
- {menina}, a sobrinha {de o homem}, trazia {um trem} e uma fita escarlate no chapéu. Quando ela ria, {o nevoa} parecia menos {~fero}.
- — [Não vás|Volta cedo] — disse {menina} —; {o nevoa} não perdoa. E meteu-lhe na mão {um trem}, {@libras} e [um beijo|um pedaço de pão].
- {menina} subia todas as tardes a {o cais}, via {@mar_ver}, e perguntava por {barco} a {o homem}.
== fala
- — Olá! quem vem lá? — rosnou {o homem}. / — Gente de paz — respondeu {rapaz}. / — A gente de paz não anda {@mar_hora} — disse o outro, e {@mar_fez}.
- — Vossa Honra conhece {barco}? — perguntou {rapaz}. / — Vi-a, filho, perto de {@porto} — disse {o homem} —; levava {n carga}, {n carga} e {o mau}. Deus guarde quem vinha nela.
- — Quanto pedes por {o trem}? — perguntou {ruim}. / — {^@libras}. / — Dou-te {@libras}, e [é caridade|agradece] — tornou {ruim}, que {@mar_fez}.
- — Conte outra vez — pediu {menina}. / — Já contei — disse {capitao} —. {^um nau} {~fero}, {o nevoa}, {@mar_ver}... e o silêncio. / {menina} {@mar_fez}.
- — Tens medo, rapaz? — perguntou {capitao}. / — Tenho, senhor — disse {rapaz}. / — Bom; {o mau} conserva os homens [vivos|prudentes] — disse {capitao}, e {@mar_fez}.
== trato
- — Se o menino foge, [enforcam-nos|perdemos o cofre] — murmurou {ruim}. / — Que lembra? — perguntou {o homem}. / — {^@mar_inf} — cochichou {ruim} —, amanhã, {@mar_hora}. / O outro {@mar_fez}.
- — [Assina|Põe uma cruz] aqui — disse {ruim}. / — Que diz isto? — perguntou {o homem}, que não sabia ler. / — Diz que {@ingles} te deve {@libras}, e tu a mim {@libras}. / {^o homem} {@mar_fez}.
- — Em {@porto} ninguém faz perguntas — disse {capitao}. — [Levamos|Carregamos] {o carga}, [voltamos|tornamos] com {o carga}. / — E {o trem}? — perguntou {ruim}. / — Isso — disse {capitao} — fica comigo.
- — Jure sobre {o trem} — disse {@inglesa}. / — Juro — disse {rapaz} — [que hei de|que não vou] {@mar_inf}. / O vento {@vento}; {o mulher} {@mar_fez}.
== capitao1
- {capitao}, {~m feio} e {~m feio}, que {@mar_ia}, sentou-se junto ao lume com {um trem}. [Comandava|Perdera] {um nau}, e {@conta} homens [temiam|amavam] o seu silêncio.
- O homem que [pagava|bebia] era {capitao}; {@mar_ia}, [viera|chegara] de {@porto} com {o carga}, e olhava para {o trem} {@mar_como}.
== capitao2
- {capitao} {@mar_fez}: “Quarenta anos de mar”, dizia, “[ensinaram-me|deram-me] {o bem} e {o mau}; o resto é {o nevoa}”.
- Firme junto de {o bordo}, {capitao} gritou que era preciso {@mar_inf}; {o homem} {@mar_fez}.
- Nenhum homem perguntava o que {capitao} [enterrara|deixara] em {@porto}: uns diziam {um trem}, outros, {o homem}.
== asilo0
- O asilo era um edifício {~m fero} e {~m fero}, onde {o bem} saía aos domingos e {o mau} morava todo o ano.
- Chamavam-lhe asilo; de fora viam-se {@mar_ver} e uma porta {~f fero}, que {o mulher} [abria|fechava] {@mar_hora}.
== asilo
- [Davam-lhes|Serviam] sopa de [cevada|nabos|água] {@mar_hora}; {@inglesa}, {~f feio}, [rezava|contava as colheres] {@mar_como}.
- [Os diretores|Os curadores], {@ingles} e {@ingles}, [decidiram|votaram] que um órfão custava {@libras} por mês, e que Deus proveria.
- [Dormiam|Deitavam-se] quatro em cada cama; {o nevoa} soprava por {@conta} vidros quebrados, e {o mulher} [cobria-os|velava] com {um trem}.
== taberna
- {^o homem} batia com {o trem} na mesa; {o homem}, {~feio}, cantava {o mau} de {um nau} {.perdido}.
- Por cima do balcão [pendia|balançava] {um trem} de {@porto}; ao canto, {@mar_ver} através do vidro.
- Apostavam {@libras} aos dados; ganhou {@ingles}, {@mar_fez}, e jurou {@mar_inf}.
- {^@inglesa}, atrás do balcão, [enchia|lavava] as canecas e ouvia tudo: quem [devia|fugira], quem [matara|voltara], e {@libras} de quem.
== nau
- {barco} [gemeu|estremeceu] da quilha ao tope; {o homem} [soltou|prendeu] {o bordo}, e {o bordo} rangeu {@mar_como}.
- Levavam {@conta} homens, {n carga}, {n carga}, {um ave_mar} e {um trem} {.fechado} a chave.
- Ficavam para trás {o cais}, {@mar_ver}, {@mar_ver}! [A proa|O gurupés] [procurava|apontava] {@porto} através de {o nevoa}.
== temporal
- O vento {@vento}; uma vaga {~f fero}, mais alta que {o bordo}, quebrou-se sobre {o bordo} {@mar_como}.
- Perderam {o bordo}, {o bordo} e {um homem}, que rezou o nome de {@inglesa}.
- {^o bordo} estalou; {o homem} {@mar_fez}, [atou-se|agarrou-se] a {o bordo}, e [esperou|cantou] [um salmo|a morte].
- Céu {~m fero}, mar {~m fero}, homens sem cor; {o trem} de {capitao} [rolava|batia] no convés {@mar_como}.
== grito
- — [Arriar|Cortar] {o bordo}! — [gritava|bradava] {capitao}. / — Já não temos {n bordo}! — respondia {o homem}. / — Pois {@mar_inf}! / E o vento {@vento}.
- — Terra a [bombordo|estibordo]! — anunciou {rapaz}. / — É {o ave_mar} — disse {o homem}. / — É {@porto} — disse {capitao}, que {@mar_fez}. / Não era senão {o nevoa}.
== cofre
- O cofre [tinha vindo|chegara] de {@porto}, no porão de {um nau}, entre {n carga} e {n carga}; três homens [morreram|mentiram] por ele.
- No fundo havia {um trem}, {@libras} e um papel [assinado|manchado] por {@ingles}, que [dava|deixava] a {rapaz} {o nau} e {o cais}.
- {ruim} [virou|pesou] a chave {@mar_como}; {o homem}, que {@mar_ia}, espreitava por uma fresta.
- [A lei era clara|O papel era claro]: quem [possuísse|trouxesse] {o trem} [herdava|recebia] {o nau}; e foi assim que {@ingles} amanheceu [afogado|calado].
== ilha
- A ilha era um rochedo {~m fero}, com {@conta} [carneiros|ovelhas], {um ave_mar} e {um homem} {~m feio}, que {@mar_ia}.
- [Acharam|Encontraram] na areia {o bordo} de {um nau}, {um trem} e pegadas que desciam para {o nevoa}.
- [Comiam|Assavam] {n ave_mar} e [algas|raízes]; {@mar_hora}, {capitao} [acendia|vigiava] uma fogueira [de turfa|de destroços], {~f fero}, à espera de {um nau}.
- {^o homem} [enlouqueceu|sarou]: sonhava com {@inglesa}, com {o carga} e com {@mar_ver}; no décimo dia, {@mar_fez}.
- [Contaram|Marcaram] os dias em {o bordo}: {@conta}, depois {@conta}; {o bem} [minguava|crescia] {@mar_como}.
== tribunal
- O juiz, {~m feio}, de [peruca|luneta] {~f fero}, [espirrou|cochilou]; {@ingles}, advogado, perorou {@mar_como}.
- [Depuseram|Foram ouvidos] {o homem}, {o mulher} e {@ingles}; o último, que {@mar_ia}, negou ter [visto|vendido] {o trem}.
- No banco dos réus [gelava|chovia]; {ruim} {@mar_fez}, e {o mau} sentou-se ao lado dele {@mar_como}.
- Trouxeram {o trem}. Nem o juiz [respirou|tossiu]; {@inglesa} {@mar_fez}, e contou a verdade.
== volta
- {ruim} morreu {em o cais}, {@mar_hora}, agarrado a {um trem}, [devendo|sem perdoar] {@libras} a {@inglesa}.
- {capitao} armou {um nau} e sumiu-se com {n carga} para {@porto}; consta que {@mar_ia}.
- {rapaz} e {menina} encontraram-se na primavera, em {@porto}; [moram|vivem] perto de {o cais}, com {um ave_mar} e {@conta} [filhos|netos].
- {^o mulher} e {o homem} [herdaram|repartiram] {o trem}, {@libras} e {um nau} {~fero}.
== ultima
- E quando {o nevoa} rola sobre {cidade}, {@mar_hora}, ainda há quem [ouça|veja], para os lados {de o cais}, {@mar_ver}. FIM
== cai
- [Nisto|De repente], a porta estalou: era {@ingles}, {~m feio}, com {um trem} na mão.
- O vento {@vento}; tremeu {o trem}; e não se viu mais nada.
- [Soaram|Bateram] [seis|oito|quatro] pancadas em {o trem}; a maré virara; {rapaz} {@mar_fez}.
- Pela manhã, {barco} já não estava {em o cais}, e {o homem} {@mar_fez}.
